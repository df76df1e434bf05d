#include "rules/torch_tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

namespace switchyard {

namespace {

using Kind = PickleValue::Kind;

struct StorageType {
  std::string_view storage;
  std::string_view dtype;
  int bytes;
};
constexpr StorageType storage_types[] = {
    {"FloatStorage", "float32", 4},
    {"DoubleStorage", "float64", 8},
    {"HalfStorage", "float16", 2},
    {"BFloat16Storage", "bfloat16", 2},
    {"LongStorage", "int64", 8},
    {"IntStorage", "int32", 4},
    {"ShortStorage", "int16", 2},
    {"CharStorage", "int8", 1},
    {"ByteStorage", "uint8", 1},
    {"BoolStorage", "bool", 1},
    {"ComplexFloatStorage", "complex64", 8},
    {"ComplexDoubleStorage", "complex128", 16},
};

/// Types without a storage of their own: their elements lie in an UntypedStorage, which is counted in bytes.
struct ElementType {
  std::string_view dtype;
  int bytes;
};
constexpr ElementType untyped_types[] = {
    {"uint16", 2},          {"uint32", 4},      {"uint64", 8},          {"complex32", 4},      {"float8_e4m3fn", 1},
    {"float8_e4m3fnuz", 1}, {"float8_e5m2", 1}, {"float8_e5m2fnuz", 1}, {"float8_e8m0fnu", 1}, {"float4_e2m1fn_x2", 1}};

/// 0 for a name that torch does not have.
int bytes_of_dtype(std::string_view dtype) {
  for (const auto& row : storage_types) {
    if (row.dtype == dtype) return row.bytes;
  }
  for (const auto& row : untyped_types) {
    if (row.dtype == dtype) return row.bytes;
  }
  return 0;
}

constexpr std::size_t longest_key = 4096;

/// What calls that make tensors are named; the part behind "torch._utils.".
constexpr std::string_view utils = "torch._utils.";
constexpr std::string_view plain_tensors[] = {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"};
constexpr std::string_view other_tensors[] = {"_rebuild_sparse_tensor",
                                              "_rebuild_nested_tensor",
                                              "_rebuild_qtensor",
                                              "_rebuild_wrapper_subclass",
                                              "_rebuild_meta_tensor_no_storage",
                                              "_rebuild_device_tensor_from_numpy",
                                              "_rebuild_device_tensor_from_cpu_tensor"};
constexpr std::string_view parameters[] = {"_rebuild_parameter", "_rebuild_parameter_with_state"};

template <std::size_t N>
bool among(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

/// The callable of an object, without "torch._utils."; "" for anything else.
std::string_view maker(const Pickle& pickle, const PickleValue& value) {
  if (value.kind != Kind::object) return {};
  const auto& callable = pickle[value.items[0]];
  const std::string_view name = callable.text;
  if (callable.kind != Kind::global || name.substr(0, utils.size()) != utils) return {};
  return name.substr(utils.size());
}

class TensorReader {
 public:
  TensorReader(const Pickle& pickle, const ZipArchive& archive, const std::string& root, std::string& problem)
      : pickle_(pickle), archive_(archive), root_(root), problem_(problem) {}

  std::optional<TorchTensor> read(const PickleValue& value) {
    auto name = maker(pickle_, value);
    const auto* arguments = &pickle_[value.items[1]].items;
    TorchTensor out;
    std::optional<bool> own_grad;
    if (among(parameters, name)) {
      if (arguments->size() < 2) return refuse("its parameter lacks a tensor or requires_grad");
      const auto& inner = pickle_[(*arguments)[0]];
      own_grad = flag((*arguments)[1]);
      out.is_parameter = true;
      name = maker(pickle_, inner);
      if (name.empty() || among(parameters, name)) return refuse("its parameter holds no tensor");
      arguments = &pickle_[inner.items[1]].items;
    }
    if (!among(plain_tensors, name))
      return refuse(fmt::format("it is made by `{}`: only dense tensors with a storage are read", name));
    if (arguments->size() < 4) return refuse("its call lacks arguments");
    if (!integers((*arguments)[2], out.info.shape)) return refuse("its shape is no list of whole numbers");
    StorageInfo storage;
    if (!integers((*arguments)[3], storage.strides)) return refuse("its strides are no list of whole numbers");
    const auto& offset = pickle_[(*arguments)[1]];
    if (offset.kind != Kind::integer) return refuse("its offset is no whole number");
    storage.offset = offset.number;
    if (name != "_rebuild_tensor" && arguments->size() > 4) out.info.requires_grad = flag((*arguments)[4]);
    if (own_grad) out.info.requires_grad = *own_grad;
    std::string dtype;
    if (name == "_rebuild_tensor_v3") {
      if (arguments->size() < 7) return refuse("its call lacks a dtype");
      dtype = pickle_[(*arguments)[6]].text;
      if (dtype.substr(0, 6) == "torch.") dtype.erase(0, 6);
    }
    if (!read_storage(pickle_[(*arguments)[0]], dtype, storage, out.info)) return std::nullopt;
    out.info.storage = std::move(storage);
    return out;
  }

 private:
  std::nullopt_t refuse(std::string why) {
    problem_ = std::move(why);
    return std::nullopt;
  }
  bool flag(std::uint32_t index) const { return pickle_[index].kind == Kind::boolean && pickle_[index].number != 0; }
  bool integers(std::uint32_t index, std::vector<std::int64_t>& out) const {
    const auto& list = pickle_[index];
    if (list.kind != Kind::tuple && list.kind != Kind::list) return false;
    if (list.items.size() > 64) return false;  // torch's own limit of axes
    for (const auto item : list.items) {
      if (pickle_[item].kind != Kind::integer) return false;
      out.push_back(pickle_[item].number);
    }
    return true;
  }

  /// ("storage", type, key, device, elements)
  bool read_storage(const PickleValue& value, const std::string& dtype, StorageInfo& storage, ParameterInfo& info) {
    const auto* id = value.kind == Kind::persistent ? &pickle_[value.items[0]] : nullptr;
    if (id == nullptr || id->kind != Kind::tuple || id->items.size() < 5 || pickle_.text(id->items[0]) != "storage" ||
        pickle_[id->items[1]].kind != Kind::global || pickle_[id->items[2]].kind != Kind::text ||
        pickle_[id->items[4]].kind != Kind::integer || pickle_.text(id->items[2]).size() > longest_key) {
      refuse("its storage is not described as torch does it");
      return false;
    }
    std::string_view type = pickle_[id->items[1]].text;
    if (type.rfind('.') != std::string_view::npos) type.remove_prefix(type.rfind('.') + 1);
    const auto* known = std::find_if(std::begin(storage_types), std::end(storage_types),
                                     [&](const StorageType& row) { return row.storage == type; });
    const bool untyped = type == "UntypedStorage" && !dtype.empty();
    const int element_bytes = untyped ? bytes_of_dtype(dtype) : known == std::end(storage_types) ? 0 : known->bytes;
    if (known == std::end(storage_types) && !untyped) {
      refuse(fmt::format("it has a storage of the unknown type `{}`", type));
      return false;
    }
    if (element_bytes == 0) {
      refuse(fmt::format("its elements have the unknown type `{}`", dtype));
      return false;
    }
    info.dtype_name = untyped ? dtype : std::string(known->dtype);
    info.dtype = dtype_from_string(info.dtype_name);
    storage.id = pickle_[id->items[2]].text;
    const auto elements = pickle_[id->items[4]].number;  // bytes of an untyped one
    const auto* record = archive_.find(root_ + "/data/" + storage.id);
    std::int64_t bytes = 0;
    if (record == nullptr) {
      refuse(fmt::format("the archive has no record `{}/data/{}` for its elements", root_, storage.id));
      return false;
    }
    if (elements < 0 || __builtin_mul_overflow(elements, untyped ? 1 : element_bytes, &bytes) || bytes > record->size) {
      refuse(fmt::format("its storage should have {} {}, but record `{}` holds {} bytes", elements,
                         untyped ? "bytes" : "elements", record->name, record->size));
      return false;
    }
    return fits(info.shape, storage, untyped ? elements / element_bytes : elements);
  }

  bool fits(const std::vector<std::int64_t>& shape, const StorageInfo& storage, std::int64_t elements) {
    bool good = shape.size() == storage.strides.size() && storage.offset >= 0;
    bool empty = false;
    std::int64_t last = storage.offset;
    for (std::size_t axis = 0; good && axis < shape.size(); ++axis) {
      std::int64_t reach = 0;
      empty = empty || shape[axis] == 0;
      good = shape[axis] >= 0 && storage.strides[axis] >= 0 &&
             (shape[axis] == 0 || (!__builtin_mul_overflow(shape[axis] - 1, storage.strides[axis], &reach) &&
                                   !__builtin_add_overflow(last, reach, &last)));
    }
    if (good && (empty || last < elements)) return true;
    refuse(fmt::format("shape {}, strides {} and offset {} reach beyond its storage of {} elements", to_string(shape),
                       to_string(storage.strides), storage.offset, elements));
    return false;
  }

  const Pickle& pickle_;
  const ZipArchive& archive_;
  const std::string& root_;
  std::string& problem_;
};

}  // namespace

bool is_torch_tensor(const Pickle& pickle, const PickleValue& value) {
  const auto name = maker(pickle, value);
  return !name.empty() && (among(plain_tensors, name) || among(other_tensors, name) || among(parameters, name));
}

std::optional<TorchTensor> read_torch_tensor(const Pickle& pickle, const PickleValue& value, const ZipArchive& archive,
                                             const std::string& root, std::string& problem) {
  return TensorReader(pickle, archive, root, problem).read(value);
}

}  // namespace switchyard
