#include "corbel/dataset/file_system.hpp"

#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace corbel {
namespace {

/// linux/magic.h; Lustre and GPFS as their own headers have them.
constexpr std::array<std::pair<std::int64_t, std::string_view>, 10> network_types = {{
    {0x6969, "NFS"},
    {0x517B, "SMB"},
    {0xFE534D42, "SMB"},
    {0xFF534D42, "CIFS"},
    {0x00C36400, "Ceph"},
    {0x0BD00BD0, "Lustre"},
    {0x47504653, "GPFS"},
    {0x5346414F, "AFS"},
    {0x73757245, "Coda"},
    {0x19830326, "BeeGFS"},
}};

}  // namespace

std::int64_t file_system_type(const std::filesystem::path& path) {
  struct statfs status {};
  std::error_code failure;
  std::filesystem::path at = std::filesystem::absolute(path, failure);
  while (::statfs(at.c_str(), &status) != 0) {
    if (errno == EINTR) continue;
    if (!at.has_relative_path()) return 0;
    at = at.parent_path();
  }
  // The field is signed, and 32 bits wide on some machines.
  return static_cast<std::int64_t>(static_cast<std::uint32_t>(status.f_type));
}

std::string_view network_file_system(std::int64_t type) {
  const auto* found = std::ranges::find(network_types, type, &std::pair<std::int64_t, std::string_view>::first);
  return found == network_types.end() ? std::string_view() : found->second;
}

}  // namespace corbel
