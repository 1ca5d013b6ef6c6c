// The part of the Proxy-Wasm ABI 0.2.1 that this plugin needs, without a dependency to fetch. An SDK offers the rest:
// https://github.com/proxy-wasm/proxy-wasm-cpp-sdk. Take either this file or an SDK: both export the same callbacks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#define PROXY_WASM_IMPORT(name) extern "C" __attribute__((import_module("env"), import_name(#name)))
#define PROXY_WASM_EXPORT(name) extern "C" __attribute__((export_name(#name)))

PROXY_WASM_IMPORT(proxy_log)
uint32_t proxy_log(uint32_t level, const char *text, size_t length);
PROXY_WASM_IMPORT(proxy_get_header_map_value)
uint32_t proxy_get_header_map_value(uint32_t map, const char *name, size_t name_length, char **value, size_t *length);
PROXY_WASM_IMPORT(proxy_replace_header_map_value)
uint32_t proxy_replace_header_map_value(uint32_t map, const char *name, size_t name_length, const char *value,
                                        size_t length);
PROXY_WASM_IMPORT(proxy_get_buffer_bytes)
uint32_t proxy_get_buffer_bytes(uint32_t buffer, size_t start, size_t most, char **bytes, size_t *length);

namespace proxy_wasm {

enum class Action : uint32_t { Continue = 0, Pause = 1 };
enum class Map : uint32_t { RequestHeaders = 0, ResponseHeaders = 2 };
enum class Buffer : uint32_t { PluginConfiguration = 7 };
enum class Level : uint32_t { Trace = 0, Debug = 1, Info = 2, Warn = 3, Error = 4, Critical = 5 };

inline void log(Level level, std::string_view text) {
  proxy_log(static_cast<uint32_t>(level), text.data(), text.size());
}

// What the host wrote: it asked for the memory below, and whoever reads it gives it back.
inline std::string taken(char *bytes, size_t length) {
  std::string text(bytes, length);
  std::free(bytes);
  return text;
}

// The first value of a header; nothing when it is not there.
inline std::optional<std::string> header(Map map, std::string_view name) {
  char *value = nullptr;
  size_t length = 0;
  const auto status =
      proxy_get_header_map_value(static_cast<uint32_t>(map), name.data(), name.size(), &value, &length);
  if (status != 0 || value == nullptr) return std::nullopt;
  return taken(value, length);
}

inline void set_header(Map map, std::string_view name, std::string_view value) {
  proxy_replace_header_map_value(static_cast<uint32_t>(map), name.data(), name.size(), value.data(), value.size());
}

inline std::string bytes_of(Buffer buffer, size_t start, size_t most) {
  char *bytes = nullptr;
  size_t length = 0;
  const auto status = proxy_get_buffer_bytes(static_cast<uint32_t>(buffer), start, most, &bytes, &length);
  if (status != 0 || bytes == nullptr) return {};
  return taken(bytes, length);
}

}  // namespace proxy_wasm

// What every plugin exports, whatever it does. One file of a plugin includes this header.
PROXY_WASM_EXPORT(proxy_abi_version_0_2_1) void proxy_abi_version_0_2_1() {}
PROXY_WASM_EXPORT(proxy_on_memory_allocate) void *proxy_on_memory_allocate(size_t size) { return std::malloc(size); }
PROXY_WASM_EXPORT(proxy_on_context_create) void proxy_on_context_create(uint32_t, uint32_t) {}
