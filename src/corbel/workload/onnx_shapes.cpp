#include <fmt/format.h>
#include <onnx/checker.h>
#include <onnx/defs/schema.h>
#include <onnx/defs/shape_inference.h>

#include <algorithm>
#include <exception>

#include "corbel/workload/builder.hpp"
#include "corbel/workload/internal/onnx_model.hpp"
#include "corbel/workload/saturate.hpp"

namespace corbel {
namespace {

/// Exceptions of the ONNX library carry lists of places that are its own.
std::string first_line(const std::exception& exception) {
  const std::string_view text = exception.what();
  return printable(text.substr(0, text.find('\n')), 300);
}

void set_type(const OnnxTensor& tensor, onnx::TypeProto& type) {
  onnx::TypeProto::Tensor& content = *type.mutable_tensor_type();
  content.set_elem_type(tensor.type);
  onnx::TensorShapeProto& shape = *content.mutable_shape();
  for (const std::int64_t size : tensor.shape) shape.add_dim()->set_dim_value(size);
}

/// A constant in the form that the ONNX library reads, nullptr for types whose values it never reads.
std::unique_ptr<onnx::TensorProto> to_proto(const OnnxTensor& tensor) {
  if (!tensor.numbers) return nullptr;
  auto proto = std::make_unique<onnx::TensorProto>();
  proto->set_data_type(tensor.type);
  for (const std::int64_t size : tensor.shape) proto->add_dims(size);
  for (const OnnxNumber number : *tensor.numbers) {
    switch (tensor.type) {
      case onnx::TensorProto::FLOAT:
        proto->add_float_data(static_cast<float>(number));
        break;
      case onnx::TensorProto::DOUBLE:
        proto->add_double_data(static_cast<double>(number));
        break;
      case onnx::TensorProto::INT64:
        proto->add_int64_data(static_cast<std::int64_t>(number));
        break;
      case onnx::TensorProto::INT32:
      case onnx::TensorProto::BOOL:
        proto->add_int32_data(static_cast<std::int32_t>(number));
        break;
      default:
        return nullptr;
    }
  }
  return proto;
}

/// What the ONNX library sees of a node: its operands with the sizes and values found so far.
class NodeContext : public onnx::InferenceContext {
 public:
  NodeContext(const OnnxModel& model, const OnnxNode& node)
      : model_(model),
        node_(node),
        types_(node.inputs.size()),
        data_(node.inputs.size()),
        outputs_(node.outputs.size()) {
    for (const onnx::AttributeProto& attribute : node.proto->attribute()) attributes_[attribute.name()] = &attribute;
    for (std::size_t i = 0; i < types_.size(); ++i) {
      if (node.inputs[i] >= 0) set_type(model.tensor(node.inputs[i]), types_[i]);
    }
  }

  const onnx::AttributeProto* getAttribute(const std::string& name) const override {
    const auto found = attributes_.find(name);
    return found == attributes_.end() ? nullptr : found->second;
  }
  std::size_t getNumInputs() const override { return types_.size(); }
  const onnx::TypeProto* getInputType(std::size_t index) const override {
    return node_.has_input(index) ? &types_[index] : nullptr;
  }
  const onnx::TensorProto* getInputData(std::size_t index) const override {
    if (!node_.has_input(index)) return nullptr;
    if (data_[index] == nullptr) data_[index] = to_proto(model_.tensor(node_.inputs[index]));
    return data_[index].get();
  }
  std::size_t getNumOutputs() const override { return outputs_.size(); }
  onnx::TypeProto* getOutputType(std::size_t index) override { return &outputs_.at(index); }
  onnx::GraphInferencer* getGraphAttributeInferencer(const std::string&) override { return nullptr; }
  const onnx::SparseTensorProto* getInputSparseData(std::size_t) const override { return nullptr; }
  const onnx::TensorShapeProto* getSymbolicInput(std::size_t) const override { return nullptr; }

 private:
  const OnnxModel& model_;
  const OnnxNode& node_;
  std::map<std::string, const onnx::AttributeProto*> attributes_;
  std::vector<onnx::TypeProto> types_;
  mutable std::vector<std::unique_ptr<onnx::TensorProto>> data_;
  std::vector<onnx::TypeProto> outputs_;
};

class ShapeInference {
 public:
  explicit ShapeInference(OnnxModel& model) : model_(model) {}

  void run() {
    for (const OnnxNode& node : model_.nodes) {
      const onnx::OpSchema* schema = verified_schema(node);
      if (auto shapes = own_onnx_shapes(model_, node)) {
        set_own(node, *shapes);
      } else {
        infer(node, schema);
      }
      for (const int output : node.outputs) {
        if (output >= 0) check(node, model_.tensor(output));
      }
      const bool constant = std::ranges::all_of(node.outputs, [&](int output) { return model_.constant(output); });
      if (constant) evaluate_onnx_node(model_, node);
    }
  }

 private:
  /// The library's description of the operator, nullptr if the file says another one; the node's attributes and number
  /// of operands fit it.
  const onnx::OpSchema* verified_schema(const OnnxNode& node) const {
    if (node.proto == nullptr) return nullptr;
    const onnx::OpSchema* schema = onnx::OpSchemaRegistry::Schema(node.proto->op_type(), model_.opset);
    if (schema == nullptr) {
      throw model_.error(node, fmt::format("ONNX operator set {} has no such operator", model_.opset),
                         "export the network with a newer operator set, at most 17");
    }
    try {
      schema->Verify(*node.proto);
    } catch (const std::exception& exception) {
      throw model_.error(node, first_line(exception), "the file is not valid ONNX; export it again");
    }
    return schema;
  }

  int own_type(const OnnxNode& node) const {
    if (node.op == "Shape" || node.op == "Size") return onnx_int64;
    if (node.op == "Cast") return static_cast<int>(std::clamp<std::int64_t>(node.integer("to", onnx_float), 0, 100));
    if (node.op == "Constant" || node.op == "ConstantOfShape") {
      for (const auto& [name, attribute] : node.attributes) {
        if (attribute.tensor) return attribute.tensor->type;
        if (name == "value_int" || name == "value_ints") return onnx_int64;
        if (!attribute.texts.empty()) return onnx_string;
      }
      return onnx_float;
    }
    for (const std::string_view op : {"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "IsNaN", "IsInf"}) {
      if (node.op == op) return onnx_bool;
    }
    return model_.tensor(node.inputs[node.op == "Where" ? 1 : 0]).type;
  }

  void set_own(const OnnxNode& node, std::vector<OnnxShape>& shapes) {
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] < 0) continue;
      OnnxTensor& tensor = model_.tensor(node.outputs[i]);
      tensor.shape = std::move(shapes[i]);
      tensor.type = own_type(node);
    }
  }

  void infer(const OnnxNode& node, const onnx::OpSchema* schema) {
    if (schema == nullptr || !schema->has_type_and_shape_inference_function()) {
      throw model_.error(node, fmt::format("the shape of its output is not known in operator set {}", model_.opset),
                         "export the network with a newer operator set, at most 17");
    }
    NodeContext context(model_, node);
    try {
      schema->GetTypeAndShapeInferenceFunction()(context);
    } catch (const std::exception& exception) {
      throw model_.error(node, first_line(exception), "check the sizes of the network's inputs");
    }
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] >= 0) take_output(node, *context.getOutputType(i), model_.tensor(node.outputs[i]));
    }
  }

  void take_output(const OnnxNode& node, const onnx::TypeProto& type, OnnxTensor& tensor) const {
    bool known = type.has_tensor_type() && type.tensor_type().has_shape();
    if (known) {
      for (const onnx::TensorShapeProto::Dimension& dimension : type.tensor_type().shape().dim()) {
        known = known && dimension.has_dim_value();
        tensor.shape.push_back(dimension.dim_value());
      }
    }
    if (!known) {
      throw model_.error(node, "its shape depends on values that are not in the file",
                         "export the network with fixed sizes, or with its constants inside the file");
    }
    tensor.type = type.tensor_type().elem_type();
  }

  void check(const OnnxNode& node, const OnnxTensor& tensor) const {
    // A constant may be empty, as the unused operands of a Resize are.
    const std::int64_t least = tensor.constant ? 0 : 1;
    for (const std::int64_t size : tensor.shape) {
      if (size >= least && size <= max_layer_size) continue;
      throw model_.error(node,
                         fmt::format("its output has the shape {}; sizes are {} to {}", to_string(tensor.shape), least,
                                     max_layer_size),
                         "check the sizes of the network's inputs");
    }
    if (onnx_elements(tensor.shape) >= saturated) {
      throw model_.error(node, fmt::format("its output {} has more than 2^63 elements", to_string(tensor.shape)),
                         "make the sizes smaller");
    }
  }

  OnnxModel& model_;
};

}  // namespace

void infer_onnx_shapes(OnnxModel& model) {
  ShapeInference(model).run();
}

}  // namespace corbel
