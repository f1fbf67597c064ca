#include "corbel/dataset/store_location.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <string_view>

#include "corbel/base/error.hpp"

namespace corbel {
namespace {

constexpr std::array<std::string_view, 2> schemes = {"postgresql://", "postgres://"};

std::string_view scheme_of(std::string_view text) {
  const auto* found = std::ranges::find_if(schemes, [&](std::string_view scheme) { return text.starts_with(scheme); });
  return found == schemes.end() ? std::string_view() : *found;
}

/// Nothing of such a URL may be repeated: whatever is in the wrong place may be part of a password.
Error not_well_formed(const std::string& what) {
  return Error(
      ErrorCode::invalid_input, "postgresql://…: " + what,
      "write it as postgresql://user@host:port/database, with characters such as `@`, `/`, `:`, `?` and `#` in "
      "a password as %40, %2F, %3A, %3F and %23; better, leave the password to PGPASSWORD or ~/.pgpass");
}

/// Parameters that name a place, which a message may show.
std::string shown_parameters(std::string_view query) {
  std::string shown;
  while (!query.empty()) {
    const std::string_view item = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), item.size() + 1));
    const std::string_view key = item.substr(0, item.find('='));
    if (key == "host" || key == "hostaddr" || key == "port" || key == "dbname" || key == "user") {
      shown.append(shown.empty() ? "?" : "&").append(item);
    }
  }
  return shown;
}

bool is_host(std::string_view host) {
  // user:password/database, where the host was forgotten, would otherwise be shown as host and port.
  const std::size_t bracket = host.rfind(']');
  const std::size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  return colon == std::string_view::npos ||
         std::ranges::all_of(host.substr(colon + 1), [](char c) { return (c >= '0' && c <= '9'); });
}

std::string without_password(std::string_view url) {
  std::string shown(scheme_of(url));
  std::string_view rest = url.substr(shown.size());
  const std::size_t at = rest.find('@');
  if (at != std::string_view::npos) {
    if (rest.find('@', at + 1) != std::string_view::npos) throw not_well_formed("the URL has more than one `@`");
    if (rest.find_first_of("/?#") < at) throw not_well_formed("the URL has a `/`, `?` or `#` before its `@`");
    const std::string_view user = rest.substr(0, at);
    shown.append(user.substr(0, user.find(':'))).append("@");
    rest.remove_prefix(at + 1);
  }
  if (rest.find('#') != std::string_view::npos) throw not_well_formed("the URL has a `#`");
  const std::size_t query = std::min(rest.find('?'), rest.size());
  std::string_view place = rest.substr(0, query);
  std::string_view hosts = place.substr(0, place.find('/'));
  while (!hosts.empty()) {
    const std::string_view host = hosts.substr(0, hosts.find(','));
    hosts.remove_prefix(std::min(hosts.size(), host.size() + 1));
    if (!is_host(host)) throw not_well_formed("the URL has a port that is not a number");
  }
  return shown.append(place).append(shown_parameters(rest.substr(std::min(query + 1, rest.size()))));
}

/// Whether a URL begins with it, of whatever scheme.
bool names_scheme(std::string_view text) {
  const std::size_t mark = text.find("://");
  return mark != std::string_view::npos && mark > 0 && text.find('/') > mark;
}

bool ends_word(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '`' || c == '"' || c == '\'';
}

}  // namespace

std::string without_passwords(std::string text) {
  constexpr std::string_view mark = "://", hidden = "…";
  for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
    const std::size_t first = at + mark.size();
    const std::size_t end = static_cast<std::size_t>(
        std::find_if(text.begin() + static_cast<std::ptrdiff_t>(first), text.end(), ends_word) - text.begin());
    constexpr std::string_view key = "password=";
    if (const std::size_t found = text.find(key, first); found < end) {
      const std::size_t value = found + key.size();
      text.replace(value, std::min(text.find('&', value), end) - value, hidden);
    }
    const std::size_t colon = text.find(':', first), host = text.rfind('@', end);
    if (host != std::string::npos && host > first && colon < host) text.replace(colon + 1, host - colon - 1, hidden);
  }
  return text;
}

bool is_store_url(const std::string& text) {
  return !scheme_of(text).empty();
}

bool names_store(const std::string& text) {
  return is_store_url(text) || std::filesystem::path(text).extension() == ".db";
}

StoreLocation::StoreLocation(std::string text) : whole_(std::move(text)), is_url_(is_store_url(whole_)) {
  // A file of that name would be made in silence.
  if (!is_url_ && names_scheme(whole_)) {
    throw not_well_formed("a store is a file, or a URL that begins with postgresql:// in small letters");
  }
  shown_ = is_url_ ? without_password(whole_) : whole_;
  if (!is_url_) return;
  const std::size_t colon = whole_.find(':', scheme_of(whole_).size());
  has_password_ = colon < whole_.find('@') && whole_.find('@') != std::string::npos;
  has_password_ = has_password_ || whole_.find("password=") != std::string::npos;
}

StoreLocation::StoreLocation(const char* text) : StoreLocation(std::string(text)) {}

StoreLocation::StoreLocation(const std::filesystem::path& file_or_url) : StoreLocation(file_or_url.string()) {}

std::filesystem::path StoreLocation::file() const {
  assert(is_file());
  return whole_;
}

const std::string& StoreLocation::url() const {
  assert(!is_file());
  return whole_;
}

std::filesystem::path StoreLocation::scratch_folder() const {
  if (!is_file()) return std::filesystem::temp_directory_path();
  const std::filesystem::path path = file();
  return path.has_parent_path() ? path.parent_path() : ".";
}

}  // namespace corbel
