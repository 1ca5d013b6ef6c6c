package main

import "unsafe"

// The part of the Proxy-Wasm ABI 0.2.1 that this plugin needs, without a dependency to fetch. An SDK offers the rest:
// https://github.com/proxy-wasm/proxy-wasm-go-sdk. Take either this file or an SDK: both export the same callbacks.

type action uint32

const (
	goOn  action = 0
	pause action = 1
)

const (
	requestHeaders  uint32 = 0
	responseHeaders uint32 = 2
)

const pluginConfiguration uint32 = 7

const (
	levelInfo  uint32 = 2
	levelError uint32 = 4
)

const statusOK uint32 = 0

//go:wasmimport env proxy_log
func proxyLog(level uint32, text unsafe.Pointer, length uint32) uint32

//go:wasmimport env proxy_get_header_map_value
func proxyGetHeader(kind uint32, key unsafe.Pointer, keyLength uint32, value unsafe.Pointer, length unsafe.Pointer) uint32

//go:wasmimport env proxy_replace_header_map_value
func proxySetHeader(kind uint32, key unsafe.Pointer, keyLength uint32, value unsafe.Pointer, length uint32) uint32

//go:wasmimport env proxy_get_buffer_bytes
func proxyGetBuffer(kind, start, most uint32, value unsafe.Pointer, length unsafe.Pointer) uint32

func log(level uint32, text string) {
	proxyLog(level, unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)))
}

// The first value of a header, and whether it is there.
func header(kind uint32, name string) (string, bool) {
	var value *byte
	var length uint32
	key := unsafe.Pointer(unsafe.StringData(name))
	if proxyGetHeader(kind, key, uint32(len(name)), unsafe.Pointer(&value), unsafe.Pointer(&length)) != statusOK || value == nil {
		return "", false
	}
	return string(unsafe.Slice(value, length)), true
}

func setHeader(kind uint32, name, value string) {
	key, text := unsafe.Pointer(unsafe.StringData(name)), unsafe.Pointer(unsafe.StringData(value))
	proxySetHeader(kind, key, uint32(len(name)), text, uint32(len(value)))
}

// What the host is about to write into: the collector must not take it before it is read.
var handedOver []byte

//go:wasmexport proxy_on_memory_allocate
func proxyOnMemoryAllocate(size uint32) unsafe.Pointer {
	handedOver = make([]byte, size)
	return unsafe.Pointer(unsafe.SliceData(handedOver))
}

//go:wasmexport proxy_abi_version_0_2_1
func proxyABIVersion() {}

//go:wasmexport proxy_on_context_create
func proxyOnContextCreate(context, parent uint32) {}

//go:wasmexport proxy_on_configure
func proxyOnConfigure(context, size uint32) uint32 {
	var value *byte
	var length uint32
	var text []byte
	if proxyGetBuffer(pluginConfiguration, 0, size, unsafe.Pointer(&value), unsafe.Pointer(&length)) == statusOK && value != nil {
		text = append(text, unsafe.Slice(value, length)...)
	}
	if onConfigure(text) {
		return 1
	}
	return 0
}

//go:wasmexport proxy_on_request_headers
func proxyOnRequestHeaders(context, count, endOfStream uint32) uint32 {
	return uint32(onRequestHeaders(context, endOfStream != 0))
}

//go:wasmexport proxy_on_response_headers
func proxyOnResponseHeaders(context, count, endOfStream uint32) uint32 {
	return uint32(onResponseHeaders(context, endOfStream != 0))
}
