// {{name}}: greets the upstream in a header, and signs the response.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// A reactor: what Go calls main is never called.
func main() {}

// What stands under `config` of the plugin; schema.json says the same.
type config struct {
	// What the upstream reads in x-hello.
	Greeting string `json:"greeting"`
}

var current = config{Greeting: "hello"}

// False refuses the configuration: the gateway keeps the one before, or does not start.
func onConfigure(text []byte) bool {
	next := config{Greeting: "hello"}
	if len(text) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&next); err != nil {
			log(levelError, fmt.Sprintf("wrong configuration: %v", err))
			return false
		}
	}
	current = next
	return true
}

func onRequestHeaders(context uint32, endOfStream bool) action {
	greeting := current.Greeting
	if name, ok := header(requestHeaders, "x-name"); ok {
		greeting += ", " + name
	}
	setHeader(requestHeaders, "x-hello", greeting)
	return goOn
}

func onResponseHeaders(context uint32, endOfStream bool) action {
	setHeader(responseHeaders, "x-served-by", "{{name}}")
	return goOn
}
