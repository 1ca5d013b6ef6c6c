// {{name}}: greets the upstream in a header, and signs the response.

export * from "@solo-io/proxy-runtime/proxy";
import {
  Context,
  FilterHeadersStatusValues,
  LogLevelValues,
  RootContext,
  log,
  registerRootContext,
  stream_context,
} from "@solo-io/proxy-runtime";
import { BufferTypeValues, get_buffer_bytes } from "@solo-io/proxy-runtime/runtime";

// The value of `"greeting"` in a configuration of the form {"greeting": "text"}: AssemblyScript has no JSON of its own.
// Nothing when it is not of that form.
function greetingOf(text: string): string | null {
  if (text.length == 0) return "hello";
  const key = text.indexOf('"greeting"');
  if (key < 0) return text.indexOf('"') < 0 ? "hello" : null;
  const colon = text.indexOf(":", key);
  const from = text.indexOf('"', colon);
  const to = text.indexOf('"', from + 1);
  if (colon < 0 || from < 0 || to < 0) return null;
  return text.slice(from + 1, to);
}

class Root extends RootContext {
  greeting: string = "hello";

  // False refuses the configuration: the gateway keeps the one before, or does not start.
  onConfigure(size: u32): bool {
    // The SDK's own onConfigure and getConfiguration lose the configuration (0.1.8), so it is read here.
    const text = size > 0 ? String.UTF8.decode(get_buffer_bytes(BufferTypeValues.PluginConfiguration, 0, size)) : "";
    const greeting = greetingOf(text);
    if (greeting === null) {
      log(LogLevelValues.error, "wrong configuration: `greeting` is no text");
      return false;
    }
    this.greeting = greeting;
    return true;
  }

  createContext(context_id: u32): Context {
    return new Exchange(context_id, this);
  }
}

class Exchange extends Context {
  root: Root;

  constructor(context_id: u32, root: Root) {
    super(context_id, root);
    this.root = root;
  }

  onRequestHeaders(_count: u32, _end_of_stream: bool): FilterHeadersStatusValues {
    const name = stream_context.headers.request.get("x-name");
    const greeting = name.length > 0 ? this.root.greeting + ", " + name : this.root.greeting;
    stream_context.headers.request.replace("x-hello", greeting);
    return FilterHeadersStatusValues.Continue;
  }

  onResponseHeaders(_count: u32, _end_of_stream: bool): FilterHeadersStatusValues {
    stream_context.headers.response.replace("x-served-by", "{{name}}");
    return FilterHeadersStatusValues.Continue;
  }
}

// The name is `root_id` of the configuration, which is empty unless it says otherwise.
registerRootContext((context_id: u32) => new Root(context_id), "");
