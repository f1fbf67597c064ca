#pragma once

#include <memory>

namespace corbel::test {

/// As a shared one, which must not outlive it.
template <typename T>
std::shared_ptr<const T> borrowed(const T& object) {
  return {std::shared_ptr<const T>(), &object};
}

}  // namespace corbel::test
