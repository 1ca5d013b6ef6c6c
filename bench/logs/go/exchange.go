package main

import (
	"fmt"
	"time"
)

// What is written down of an exchange; the same ten fields beside time, level and message that the program in Rust writes.
type exchange struct {
	requestID, client, method, authority, path, protocol, userAgent string
	status, responseBytes                                           int
	durationMs                                                      float64
}

func usual() []exchange {
	all := make([]exchange, 256)
	for number := range all {
		what := fmt.Sprintf("customers/c-%05d/orders", number)
		if number%4 == 0 {
			what = fmt.Sprintf("customers/138%08d", 12345678+number)
		}
		status := 200
		if number%50 == 7 {
			status = 404
		}
		duration := 1500*time.Microsecond + time.Duration(number)*time.Microsecond
		all[number] = exchange{
			requestID:     fmt.Sprintf("4f1c2a80-77aa-4e1b-9d35-0b6e9c%06x", number),
			client:        fmt.Sprintf("192.0.2.%d", number),
			method:        "GET",
			authority:     "shop.example.com",
			path:          "/api/v2/" + what,
			protocol:      "1.1",
			userAgent:     "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36",
			status:        status,
			responseBytes: 512 + number*3,
			durationMs:    duration.Seconds() * 1e3,
		}
	}
	return all
}
