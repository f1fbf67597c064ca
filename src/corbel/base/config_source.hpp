#pragma once

#include <string>

#include "corbel/base/config.hpp"

namespace corbel {

/// What all nodes of one document share.
struct Config::Source {
  std::string name;  ///< stands for the document in messages
  std::string file;  ///< path, "" for text
};

}  // namespace corbel
