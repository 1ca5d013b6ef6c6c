package main

import "unsafe"

// The few host calls and callbacks that the guest needs, by hand: an SDK would be a dependency to fetch.

const (
	requestHeaders      = 0
	pluginConfiguration = 7
)

//go:wasmimport env proxy_get_header_map_value
func proxyGetHeaderMapValue(kind uint32, key *byte, keyLength uint32, value unsafe.Pointer, length *uint32) uint32

//go:wasmimport env proxy_get_buffer_bytes
func proxyGetBufferBytes(kind, start, max uint32, value unsafe.Pointer, length *uint32) uint32

func requestHeader(name string) string {
	var value *byte
	var length uint32
	proxyGetHeaderMapValue(requestHeaders, unsafe.StringData(name), uint32(len(name)), unsafe.Pointer(&value), &length)
	return text(value, length)
}

func configuration(length uint32) string {
	var value *byte
	proxyGetBufferBytes(pluginConfiguration, 0, length, unsafe.Pointer(&value), &length)
	return text(value, length)
}

func text(value *byte, length uint32) string {
	if value == nil {
		return ""
	}
	return unsafe.String(value, length)
}

// What the host is about to write into: the collector must not take it before it is read.
var allocated []byte

//go:wasmexport proxy_on_memory_allocate
func proxyOnMemoryAllocate(size uint32) *byte {
	allocated = make([]byte, size)
	return unsafe.SliceData(allocated)
}

//go:wasmexport proxy_abi_version_0_2_1
func proxyAbiVersion() {}

//go:wasmexport proxy_on_context_create
func proxyOnContextCreate(context, parent uint32) {}

//go:wasmexport proxy_on_configure
func proxyOnConfigure(context, length uint32) uint32 {
	die(configuration(length))
	return 1
}

//go:wasmexport proxy_on_request_headers
func proxyOnRequestHeaders(context, count, endOfStream uint32) uint32 {
	die(requestHeader("x-die"))
	return 0
}
