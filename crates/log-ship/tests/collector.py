# A collector of OpenTelemetry for tests: decodes by the project's own messages what it is sent, and prints each request as a line of JSON.
# `collector.py http` or `collector.py grpc [CHAIN KEY AUTHORITY]`. The first line says the port. It is busy once, and then refuses one of what it is sent.
import gzip
import http.server
import json
import sys
from concurrent import futures

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

asked = 0


def value(any_value):
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value(one) for one in any_value.array_value.values]
    if kind == "kvlist_value":
        return members(any_value.kvlist_value.values)
    return getattr(any_value, kind) if kind else None


def members(pairs):
    return {pair.key: value(pair.value) for pair in pairs}


def span(one):
    fields = ["trace_state", "name", "kind", "start_time_unix_nano", "end_time_unix_nano", "flags", "dropped_attributes_count"]
    found = {field: getattr(one, field) for field in fields}
    found |= {field: getattr(one, field).hex() for field in ["trace_id", "span_id", "parent_span_id"]}
    status = [one.status.code, one.status.message] if one.HasField("status") else None
    return found | {"attributes": members(one.attributes), "status": status}


def log(one):
    fields = ["time_unix_nano", "severity_number", "severity_text", "flags"]
    found = {field: getattr(one, field) for field in fields}
    found |= {"trace_id": one.trace_id.hex(), "span_id": one.span_id.hex()}
    return found | {"attributes": members(one.attributes), "body": value(one.body)}


def shown(request):
    groups = request.resource_spans if hasattr(request, "resource_spans") else request.resource_logs
    for group in groups:
        for scope in group.scope_spans if hasattr(group, "scope_spans") else group.scope_logs:
            ones = [span(one) for one in scope.spans] if hasattr(scope, "spans") else [log(one) for one in scope.log_records]
            said = {"resource": members(group.resource.attributes), "scope": scope.scope.name, "records": ones}
            print(json.dumps(said), flush=True)


def answered(request, response):
    """None while busy, which is so once."""
    global asked
    asked += 1
    if asked == 1:
        return None
    shown(request)
    if asked == 2:
        partial = response.partial_success
        partial.error_message = "one is too old"
        if hasattr(partial, "rejected_spans"):
            partial.rejected_spans = 1
        else:
            partial.rejected_log_records = 1
    return response


class Http(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    messages = {
        "/v1/traces": (trace_service_pb2.ExportTraceServiceRequest, trace_service_pb2.ExportTraceServiceResponse),
        "/v1/logs": (logs_service_pb2.ExportLogsServiceRequest, logs_service_pb2.ExportLogsServiceResponse),
    }

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        assert self.headers["content-type"] == "application/x-protobuf"
        request, response = self.messages[self.path]
        message = request()
        message.ParseFromString(body)
        response = answered(message, response())
        self.send_response(503 if response is None else 200)
        answer = b"" if response is None else response.SerializeToString()
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def export(response):
    def export(_, request, context):
        answer = answered(request, response())
        return answer or context.abort(grpc.StatusCode.UNAVAILABLE, "busy")

    return export


class Traces(trace_service_pb2_grpc.TraceServiceServicer):
    Export = export(trace_service_pb2.ExportTraceServiceResponse)


class Logs(logs_service_pb2_grpc.LogsServiceServicer):
    Export = export(logs_service_pb2.ExportLogsServiceResponse)


def over_http():
    server = http.server.HTTPServer(("127.0.0.1", 0), Http)
    print(server.server_port, flush=True)
    server.serve_forever()


def over_grpc(files):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Logs(), server)
    if files:
        chain, key, authority = (open(file, "rb").read() for file in files)
        login = grpc.ssl_server_credentials([(key, chain)], authority, require_client_auth=True)
        port = server.add_secure_port("127.0.0.1:0", login)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


over_http() if sys.argv[1] == "http" else over_grpc(sys.argv[2:])
