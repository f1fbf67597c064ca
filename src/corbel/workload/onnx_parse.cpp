#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <unordered_map>

#include "corbel/workload/builder.hpp"
#include "corbel/workload/internal/onnx_model.hpp"
#include "corbel/workload/saturate.hpp"

namespace corbel {
namespace {

constexpr int first_opset = 6, last_opset = 17;
constexpr std::size_t max_operands = 4096;

/// Operators that are another one with more operands (scales, zero points), which are constants folded into the
/// requantisation. `inputs`: what the plain operator reads; −1 ends the list, −2: every third operand from the third.
struct Alias {
  std::string_view domain, op, plain;
  std::array<int, 4> inputs;
};
constexpr std::string_view microsoft = "com.microsoft";
constexpr std::array<Alias, 26> aliases = {{
    {"", "QLinearConv", "Conv", {0, 3, 8, -1}},
    {"", "QLinearMatMul", "MatMul", {0, 3, -1}},
    {"", "ConvInteger", "Conv", {0, 1, -1}},
    {"", "MatMulInteger", "MatMul", {0, 1, -1}},
    {microsoft, "QLinearConv", "Conv", {0, 3, 8, -1}},
    {microsoft, "QGemm", "Gemm", {0, 3, 6, -1}},
    {microsoft, "QLinearAdd", "Add", {0, 3, -1}},
    {microsoft, "QLinearMul", "Mul", {0, 3, -1}},
    {microsoft, "QLinearConcat", "Concat", {-2, -1}},
    {microsoft, "QLinearAveragePool", "AveragePool", {0, -1}},
    {microsoft, "QLinearGlobalAveragePool", "GlobalAveragePool", {0, -1}},
    {microsoft, "QLinearLeakyRelu", "LeakyRelu", {0, -1}},
    {microsoft, "QLinearSigmoid", "Sigmoid", {0, -1}},
    {microsoft, "QLinearSoftmax", "Softmax", {0, -1}},
    {microsoft, "MatMulIntegerToFloat", "MatMul", {0, 1, 6, -1}},
    {microsoft, "DynamicQuantizeMatMul", "MatMul", {0, 1, 4, -1}},
    {microsoft, "QuantizeLinear", "Identity", {0, -1}},
    {microsoft, "DequantizeLinear", "Identity", {0, -1}},
    {microsoft, "FusedConv", "Conv", {0, 1, 2, 3}},
    {microsoft, "FusedGemm", "Gemm", {0, 1, 2, -1}},
    {microsoft, "FusedMatMul", "MatMul", {0, 1, -1}},
    {microsoft, "Gelu", "Gelu", {0, -1}},
    {microsoft, "FastGelu", "Gelu", {0, 1, -1}},
    {microsoft, "BiasGelu", "Gelu", {0, 1, -1}},
    {microsoft, "QuickGelu", "Gelu", {0, -1}},
    {microsoft, "SkipLayerNormalization", "SkipLayerNormalization", {0, 1, 2, 3}},
}};

class Parser {
 public:
  Parser(std::string_view bytes, std::string file) {
    model_.file = std::move(file);
    auto proto = std::make_shared<onnx::ModelProto>();
    if (bytes.size() > std::size_t{INT32_MAX} || !proto->ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
        !proto->has_graph() || proto->ir_version() < 1) {
      throw model_.error("not an ONNX model: the file is damaged, cut off, or of another format",
                         "export the network again with its framework's ONNX exporter");
    }
    proto_ = proto.get();
    model_.proto = std::move(proto);
  }

  OnnxModel parse() {
    read_opsets();
    model_.producer = proto_->producer_name();
    if (!proto_->producer_version().empty()) model_.producer += " " + proto_->producer_version();
    if (proto_->graph().node_size() > static_cast<int>(max_layers)) {
      throw model_.error(fmt::format("{} nodes are more than {}", proto_->graph().node_size(), max_layers));
    }
    find_live_nodes();
    read_initializers();
    read_inputs();
    for (const int index : live_) read_node(proto_->graph().node(index));
    for (const onnx::ValueInfoProto& output : proto_->graph().output()) {
      model_.outputs.push_back(known_tensor(output.name(), "the network's output"));
      ++model_.tensor(model_.outputs.back()).readers;
    }
    return std::move(model_);
  }

 private:
  void read_opsets() {
    for (const onnx::OperatorSetIdProto& set : proto_->opset_import()) {
      if (set.domain().empty() || set.domain() == "ai.onnx") {
        model_.opset = static_cast<int>(std::clamp<std::int64_t>(set.version(), 0, 1'000'000));
      }
    }
    if (model_.opset < first_opset || model_.opset > last_opset) {
      throw Error(ErrorCode::unsupported,
                  fmt::format("{}: {}, of which {} to {} are understood", model_.file,
                              model_.opset == 0 ? "the file names no ONNX operator set"
                                                : fmt::format("the file uses ONNX operator set {}", model_.opset),
                              first_opset, last_opset),
                  fmt::format("export it with operator set {} (torch.onnx.export: opset_version={}), or convert it "
                              "with onnx.version_converter",
                              last_opset, last_opset));
    }
  }

  /// What the outputs depend on, in the order of the file.
  void find_live_nodes() {
    const onnx::GraphProto& graph = proto_->graph();
    if (graph.output_size() == 0) throw model_.error("the graph has no outputs", "mark its results as outputs");
    for (int i = 0; i < graph.node_size(); ++i) {
      for (const std::string& output : graph.node(i).output()) {
        if (output.empty()) continue;
        if (!writers_.emplace(output, i).second) {
          throw model_.error(fmt::format("two nodes write {}: {} and {}", in_quotes(output),
                                         describe(graph.node(writers_[output])), describe(graph.node(i))),
                             "every tensor has one writer; give them different names");
        }
      }
    }
    std::vector<int> todo;
    std::vector<bool> seen(static_cast<std::size_t>(graph.node_size()), false);
    const auto need = [&](const std::string& name) {
      const auto writer = writers_.find(name);
      if (writer == writers_.end() || seen[static_cast<std::size_t>(writer->second)]) return;
      seen[static_cast<std::size_t>(writer->second)] = true;
      todo.push_back(writer->second);
    };
    for (const onnx::ValueInfoProto& output : graph.output()) need(output.name());
    while (!todo.empty()) {
      const int index = todo.back();
      todo.pop_back();
      live_.push_back(index);
      for (const std::string& input : graph.node(index).input()) need(input);
    }
    std::ranges::sort(live_);
  }

  static std::string describe(const onnx::NodeProto& node) {
    const std::string& name = !node.name().empty()     ? node.name()
                              : node.output_size() > 0 ? node.output(0)
                                                       : node.name();
    return fmt::format("{} ({})", in_quotes(name), printable(node.op_type()));
  }

  int add_tensor(OnnxTensor tensor, std::string_view what) {
    const auto index = static_cast<int>(model_.tensors.size());
    if (!indices_.emplace(tensor.name, index).second) {
      throw model_.error(fmt::format("{} {} has the name of another tensor", what, in_quotes(tensor.name)),
                         "every tensor has one writer; give them different names");
    }
    model_.tensors.push_back(std::move(tensor));
    return index;
  }

  void read_initializers() {
    for (const onnx::TensorProto& initializer : proto_->graph().initializer()) {
      add_tensor(read_tensor(initializer, initializer.name()), "initializer");
    }
    for (const onnx::SparseTensorProto& sparse : proto_->graph().sparse_initializer()) {
      OnnxTensor tensor;
      tensor.name = sparse.values().name();
      tensor.type = sparse.values().data_type();
      tensor.shape = read_shape(sparse.dims(), tensor.name);
      tensor.constant = true;
      add_tensor(std::move(tensor), "sparse initializer");
    }
  }

  template <class Dims>
  OnnxShape read_shape(const Dims& dims, std::string_view name) const {
    OnnxShape shape(dims.begin(), dims.end());
    for (const std::int64_t size : shape) {
      if (size < 0 || size > max_layer_size) {
        throw model_.error(fmt::format("constant {} has the shape {}; sizes are 0 to {}", in_quotes(name),
                                       to_string(shape), max_layer_size),
                           "the file is damaged; export it again");
      }
    }
    if (onnx_elements(shape) >= saturated) {
      throw model_.error(
          fmt::format("constant {} of shape {} has more than 2^63 elements", in_quotes(name), to_string(shape)),
          "the file is damaged; export it again");
    }
    return shape;
  }

  OnnxTensor read_tensor(const onnx::TensorProto& proto, const std::string& name) const {
    OnnxTensor tensor;
    tensor.name = name;
    tensor.type = proto.data_type();
    tensor.constant = true;
    tensor.shape = read_shape(proto.dims(), name);
    const std::uint64_t elements = onnx_elements(tensor.shape);
    if (!keeps_onnx_numbers(tensor.type, elements)) return tensor;
    if (proto.data_location() == onnx::TensorProto::EXTERNAL) return tensor;
    std::vector<OnnxNumber> numbers;
    if (!read_numbers(proto, static_cast<std::size_t>(elements), numbers)) return tensor;
    if (numbers.size() != elements) {
      throw model_.error(fmt::format("constant {} of shape {} has {} values", in_quotes(name), to_string(tensor.shape),
                                     numbers.size()),
                         "the file is damaged; export it again");
    }
    tensor.numbers = std::move(numbers);
    return tensor;
  }

  template <class Number>
  static void append_raw(const std::string& raw, std::vector<OnnxNumber>& numbers) {
    for (std::size_t at = 0; at + sizeof(Number) <= raw.size(); at += sizeof(Number)) {
      Number value;
      std::memcpy(&value, raw.data() + at, sizeof(Number));
      numbers.push_back(static_cast<OnnxNumber>(value));
    }
  }

  /// @return whether values of this type are understood
  static bool read_numbers(const onnx::TensorProto& proto, std::size_t elements, std::vector<OnnxNumber>& numbers) {
    // A weight's raw data may be long although its shape, in a damaged file, is not.
    const bool raw = proto.has_raw_data() && proto.raw_data().size() <= 8 * std::max<std::size_t>(elements, 1);
    if (proto.has_raw_data() && !raw) return true;
    const auto take = [&](auto example, const auto& field) {
      if (raw) {
        append_raw<decltype(example)>(proto.raw_data(), numbers);
      } else {
        numbers.assign(field.begin(), field.end());
      }
      return true;
    };
    switch (proto.data_type()) {
      case onnx::TensorProto::FLOAT:
        return take(float{}, proto.float_data());
      case onnx::TensorProto::DOUBLE:
        return take(double{}, proto.double_data());
      case onnx::TensorProto::INT64:
        return take(std::int64_t{}, proto.int64_data());
      case onnx::TensorProto::INT32:
        return take(std::int32_t{}, proto.int32_data());
      case onnx::TensorProto::INT16:
        return take(std::int16_t{}, proto.int32_data());
      case onnx::TensorProto::UINT16:
        return take(std::uint16_t{}, proto.int32_data());
      case onnx::TensorProto::INT8:
        return take(std::int8_t{}, proto.int32_data());
      case onnx::TensorProto::UINT8:
        return take(std::uint8_t{}, proto.int32_data());
      case onnx::TensorProto::BOOL:
        return take(std::uint8_t{}, proto.int32_data());
      case onnx::TensorProto::UINT32:
        return take(std::uint32_t{}, proto.uint64_data());
      case onnx::TensorProto::UINT64:
        return take(std::uint64_t{}, proto.uint64_data());
      default:
        return false;
    }
  }

  void read_inputs() {
    for (const onnx::ValueInfoProto& info : proto_->graph().input()) {
      const auto known = indices_.find(info.name());
      if (known != indices_.end() && model_.tensor(known->second).constant) continue;  // IR 3 lists initializers too
      const onnx::TypeProto& type = info.type();
      const std::string place = fmt::format("input {}", in_quotes(info.name()));
      if (type.value_case() != onnx::TypeProto::kTensorType) {
        throw model_.error(place + " is not a tensor", "only tensors can become layers");
      }
      if (!type.tensor_type().has_shape()) {
        throw model_.error(place + " has no shape", "export the network with the shapes of its inputs");
      }
      OnnxInput input;
      for (const onnx::TensorShapeProto::Dimension& dimension : type.tensor_type().shape().dim()) {
        OnnxDimension& size = input.dimensions.emplace_back();
        if (dimension.has_dim_value()) size.size = dimension.dim_value();
        size.name = dimension.dim_param();
      }
      OnnxTensor tensor;
      tensor.name = info.name();
      tensor.type = type.tensor_type().elem_type() == onnx_undefined ? onnx_float : type.tensor_type().elem_type();
      input.tensor = add_tensor(std::move(tensor), "input");
      model_.inputs.push_back(std::move(input));
    }
  }

  int known_tensor(const std::string& name, const std::string& reader) const {
    const auto known = indices_.find(name);
    if (known != indices_.end()) return known->second;
    const auto writer = writers_.find(name);
    if (writer == writers_.end()) {
      throw model_.error(fmt::format("{} reads {}, which nothing writes", reader, in_quotes(name)),
                         "make it an input or an initializer, or correct the name");
    }
    throw model_.error(fmt::format("{} reads {}, which {} writes later", reader, in_quotes(name),
                                   describe(proto_->graph().node(writer->second))),
                       "the graph has a cycle, or its nodes are not sorted; export it again");
  }

  OnnxAttribute read_attribute(const onnx::AttributeProto& proto, const std::string& place) const {
    OnnxAttribute attribute;
    if (proto.has_i()) attribute.ints.push_back(proto.i());
    attribute.ints.insert(attribute.ints.end(), proto.ints().begin(), proto.ints().end());
    if (proto.has_f()) attribute.floats.push_back(static_cast<OnnxNumber>(proto.f()));
    attribute.floats.insert(attribute.floats.end(), proto.floats().begin(), proto.floats().end());
    if (proto.has_s()) attribute.texts.push_back(proto.s());
    attribute.texts.insert(attribute.texts.end(), proto.strings().begin(), proto.strings().end());
    if (proto.has_t()) attribute.tensor = read_tensor(proto.t(), place);
    if (proto.has_sparse_tensor()) {
      attribute.tensor.emplace();
      attribute.tensor->type = proto.sparse_tensor().values().data_type();
      attribute.tensor->shape = read_shape(proto.sparse_tensor().dims(), place);
    }
    attribute.graph = proto.has_g() || proto.graphs_size() > 0;
    return attribute;
  }

  void read_node(const onnx::NodeProto& proto) {
    OnnxNode node;
    const std::string& domain = proto.domain() == "ai.onnx" ? std::string() : proto.domain();
    node.op = node.written_op = domain.empty() ? proto.op_type() : domain + "." + proto.op_type();
    node.proto = domain.empty() ? &proto : nullptr;
    const std::string own_name = printable(proto.name().empty() ? proto.output(0) : proto.name(), 200);
    node.name = own_name;
    while (!names_.insert(node.name).second) node.name = fmt::format("{}_{}", own_name, ++copies_[own_name] + 1);

    std::vector<const std::string*> operands;
    for (const std::string& input : proto.input()) operands.push_back(&input);
    const auto alias = std::ranges::find_if(
        aliases, [&](const Alias& each) { return each.domain == domain && each.op == proto.op_type(); });
    if (alias != aliases.end()) {
      node.op = alias->plain;
      node.proto = nullptr;
      operands = plain_operands(*alias, operands);
    }
    const std::string place = fmt::format("node {}", describe(proto));
    if (operands.size() > max_operands) {
      throw model_.error(fmt::format("{} has {} operands, more than {}", place, operands.size(), max_operands),
                         "join them in several steps");
    }
    bool constant = true;
    for (const std::string* operand : operands) {
      node.inputs.push_back(operand->empty() ? -1 : known_tensor(*operand, place));
      if (operand->empty()) continue;
      OnnxTensor& tensor = model_.tensor(node.inputs.back());
      ++tensor.readers;
      constant = constant && tensor.constant;
    }
    for (const onnx::AttributeProto& attribute : proto.attribute()) {
      const bool fresh = node.attributes.emplace(attribute.name(), read_attribute(attribute, "of " + place)).second;
      if (!fresh) throw model_.error(fmt::format("{} has two attributes {}", place, in_quotes(attribute.name())));
      constant = constant && !node.attributes[attribute.name()].graph;
    }
    constant = constant || (domain.empty() && (node.op == "Shape" || node.op == "Size"));
    for (const std::string& output : proto.output()) {
      OnnxTensor tensor;
      tensor.name = output;
      // Scale and zero point found at run time fold into requantisation as constant ones do.
      tensor.constant = constant || (node.op == "DynamicQuantizeLinear" && !node.outputs.empty());
      node.outputs.push_back(output.empty() ? -1 : add_tensor(std::move(tensor), "the output of " + place));
    }
    model_.nodes.push_back(std::move(node));
  }

  static std::vector<const std::string*> plain_operands(const Alias& alias,
                                                        const std::vector<const std::string*>& written) {
    std::vector<const std::string*> operands;
    for (const int index : alias.inputs) {
      if (index == -1) break;
      if (index == -2) {
        for (std::size_t i = 2; i < written.size(); i += 3) operands.push_back(written[i]);
      } else if (static_cast<std::size_t>(index) < written.size()) {
        operands.push_back(written[static_cast<std::size_t>(index)]);
      }
    }
    return operands;
  }

  OnnxModel model_;
  const onnx::ModelProto* proto_ = nullptr;
  std::unordered_map<std::string, int> writers_;  ///< tensor → node of the file
  std::unordered_map<std::string, int> indices_;  ///< tensor → index in the model
  std::set<std::string> names_;
  std::map<std::string, int> copies_;  ///< of names
  std::vector<int> live_;
};

}  // namespace

OnnxModel parse_onnx(std::string_view bytes, std::string file) {
  return Parser(bytes, std::move(file)).parse();
}

}  // namespace corbel
