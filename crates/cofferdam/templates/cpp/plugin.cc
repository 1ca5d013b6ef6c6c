// {{name}}: greets the upstream in a header, and signs the response.
#include "proxy_wasm.h"

namespace {

using proxy_wasm::Action;
using proxy_wasm::Map;

constexpr std::string_view kHello = "hello";

// What the upstream reads in x-hello; schema.json says the same.
std::string greeting{kHello};

// The value of "greeting" in a configuration of the form {"greeting": "text"}: C++ has no JSON of its own. Nothing when
// it is not of that form.
std::optional<std::string> greeting_of(std::string_view text) {
  constexpr std::string_view kKey = "\"greeting\"";
  constexpr std::string_view kSpace = " \t\r\n";
  const auto key = text.find(kKey);
  if (key == text.npos) {
    if (text.find('"') != text.npos) return std::nullopt;
    return std::string{kHello};
  }
  const auto colon = text.find_first_not_of(kSpace, key + kKey.size());
  if (colon == text.npos || text[colon] != ':') return std::nullopt;
  const auto from = text.find_first_not_of(kSpace, colon + 1);
  if (from == text.npos || text[from] != '"') return std::nullopt;
  const auto to = text.find_first_of("\"\\", from + 1);
  if (to == text.npos || text[to] != '"') return std::nullopt;
  return std::string{text.substr(from + 1, to - from - 1)};
}

}  // namespace

// 0 refuses the configuration: the gateway keeps the one before, or does not start.
PROXY_WASM_EXPORT(proxy_on_configure) uint32_t proxy_on_configure(uint32_t /*context*/, size_t size) {
  const auto next = greeting_of(proxy_wasm::bytes_of(proxy_wasm::Buffer::PluginConfiguration, 0, size));
  if (!next) {
    proxy_wasm::log(proxy_wasm::Level::Error, "wrong configuration: `greeting` is no text");
    return 0;
  }
  greeting = *next;
  return 1;
}

PROXY_WASM_EXPORT(proxy_on_request_headers)
Action proxy_on_request_headers(uint32_t /*context*/, uint32_t /*count*/, uint32_t /*end_of_stream*/) {
  std::string text = greeting;
  if (const auto name = proxy_wasm::header(Map::RequestHeaders, "x-name")) text += ", " + *name;
  proxy_wasm::set_header(Map::RequestHeaders, "x-hello", text);
  return Action::Continue;
}

PROXY_WASM_EXPORT(proxy_on_response_headers)
Action proxy_on_response_headers(uint32_t /*context*/, uint32_t /*count*/, uint32_t /*end_of_stream*/) {
  proxy_wasm::set_header(Map::ResponseHeaders, "x-served-by", "{{name}}");
  return Action::Continue;
}
