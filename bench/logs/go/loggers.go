package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/rs/zerolog/diode"
	"github.com/sirupsen/logrus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Records that wait where a logger counts records, and bytes where it counts bytes.
const (
	queueRecords = 65536
	bufferBytes  = 256 * 1024
)

// A logger: what writes a record, and what writes the rest and says how many it knows to have dropped.
type logger struct {
	write func(*exchange)
	end   func() *uint64
}

func start(name string, file *os.File) (logger, error) {
	switch name {
	case "zerolog":
		return startZerolog(file), nil
	case "zap":
		return startZap(file), nil
	case "slog-go":
		return startSlog(file), nil
	case "logrus":
		return startLogrus(file), nil
	}
	return logger{}, fmt.Errorf("there is no logger `%s`", name)
}

// zerolog over its diode: a ring of records in memory of which the oldest are overwritten, and a callback that says how many.
func startZerolog(file *os.File) logger {
	var dropped atomic.Uint64
	out := diode.NewWriter(file, queueRecords, 2*time.Millisecond, func(missed int) { dropped.Add(uint64(missed)) })
	log := zerolog.New(out).With().Timestamp().Logger()
	write := func(e *exchange) {
		log.Info().Str("request_id", e.requestID).Str("client_address", e.client).Str("http_request_method", e.method).
			Str("http_request_authority", e.authority).Str("url_path", e.path).Str("network_protocol_version", e.protocol).
			Int("http_response_status_code", e.status).Int("http_response_body_size", e.responseBytes).
			Float64("duration_ms", e.durationMs).Str("user_agent_original", e.userAgent).Msg("access")
	}
	end := func() *uint64 {
		out.Close()
		count := dropped.Load()
		return &count
	}
	return logger{write, end}
}

// zap over its buffer, which writes when it is full and each second; whoever fills it waits for the file.
func startZap(file *os.File) logger {
	out := &zapcore.BufferedWriteSyncer{WS: zapcore.AddSync(file), Size: bufferBytes, FlushInterval: time.Second}
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), out, zap.InfoLevel))
	write := func(e *exchange) {
		log.Info("access", zap.String("request_id", e.requestID), zap.String("client_address", e.client),
			zap.String("http_request_method", e.method), zap.String("http_request_authority", e.authority),
			zap.String("url_path", e.path), zap.String("network_protocol_version", e.protocol),
			zap.Int("http_response_status_code", e.status), zap.Int("http_response_body_size", e.responseBytes),
			zap.Float64("duration_ms", e.durationMs), zap.String("user_agent_original", e.userAgent))
	}
	return logger{write, func() *uint64 { out.Stop(); return nil }}
}

// Neither slog nor logrus has a writer of its own: a buffer of the same size behind a lock stands for one.
type buffered struct {
	lock sync.Mutex
	out  *bufio.Writer
}

func (b *buffered) Write(bytes []byte) (int, error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.out.Write(bytes)
}

func buffer(out io.Writer) *buffered { return &buffered{out: bufio.NewWriterSize(out, bufferBytes)} }

func (b *buffered) end() *uint64 { b.out.Flush(); return nil }

func startSlog(file *os.File) logger {
	out := buffer(file)
	log := slog.New(slog.NewJSONHandler(out, nil))
	background := context.Background()
	write := func(e *exchange) {
		log.LogAttrs(background, slog.LevelInfo, "access", slog.String("request_id", e.requestID), slog.String("client_address", e.client),
			slog.String("http_request_method", e.method), slog.String("http_request_authority", e.authority),
			slog.String("url_path", e.path), slog.String("network_protocol_version", e.protocol),
			slog.Int("http_response_status_code", e.status), slog.Int("http_response_body_size", e.responseBytes),
			slog.Float64("duration_ms", e.durationMs), slog.String("user_agent_original", e.userAgent))
	}
	return logger{write, out.end}
}

func startLogrus(file *os.File) logger {
	out := buffer(file)
	log := logrus.New()
	log.SetOutput(out)
	log.SetFormatter(&logrus.JSONFormatter{})
	write := func(e *exchange) {
		log.WithFields(logrus.Fields{
			"request_id": e.requestID, "client_address": e.client, "http_request_method": e.method,
			"http_request_authority": e.authority, "url_path": e.path, "network_protocol_version": e.protocol,
			"http_response_status_code": e.status, "http_response_body_size": e.responseBytes,
			"duration_ms": e.durationMs, "user_agent_original": e.userAgent,
		}).Info("access")
	}
	return logger{write, out.end}
}
