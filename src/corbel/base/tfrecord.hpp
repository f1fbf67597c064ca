#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/base/row_file.hpp"

namespace corbel {

/// TFRecord of tf.train.Example, one row per record; both checksums of every record are checked. A float reads as the
/// shortest text of that float: 0.1f is 0.1. A bytes feature NAME/exact tells NAME where a float cannot.
/// Framing: u64 length, masked CRC-32C of it, the bytes, masked CRC-32C of them (tensorflow/core/lib/io/record_reader);
/// messages: tensorflow/core/example/{example,feature}.proto.
/// @param header  the features, if an earlier reader found them
/// @throws Error{corrupt} naming the record, also for a feature of several values
std::unique_ptr<RowReader> read_tfrecord(const std::filesystem::path& path, const std::vector<std::string>& header);
/// Numbers become floats, with NAME/exact beside those that a float does not hold; integers int64, texts bytes. Blank
/// cells are left out.
std::unique_ptr<RowWriter> write_tfrecord(const std::filesystem::path& path, const std::vector<std::string>& header);

/// Whether these are the first bytes of a TFRecord file, at least 12 of them: its first length has the right checksum.
bool is_tfrecord(std::string_view first);

}  // namespace corbel
