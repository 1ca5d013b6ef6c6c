// Measures what a record costs with the loggers of Go: the same exchanges, phases and figures as the program in Rust beside it.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// Records that are written without a pause, and the time from one such group to the next: 50,000 records a second.
const (
	group      = 64
	groupEvery = 1280 * time.Microsecond
)

// What was seen; the names are those of the program in Rust.
type seen struct {
	Records        int     `json:"records"`
	CallerNs       float64 `json:"caller_ns"`
	AllNs          float64 `json:"all_ns"`
	P50Ns          uint32  `json:"p50_ns"`
	P99Ns          uint32  `json:"p99_ns"`
	P999Ns         uint32  `json:"p999_ns"`
	MaxNs          uint32  `json:"max_ns"`
	Allocations    float64 `json:"allocations"`
	AllocatedBytes float64 `json:"allocated_bytes"`
	WriteCalls     float64 `json:"write_calls"`
	WriteBytes     float64 `json:"write_bytes"`
	DiskBytes      float64 `json:"disk_bytes"`
	PerSecond      float64 `json:"per_second"`
	Written        uint64  `json:"written"`
	Counted        *uint64 `json:"counted"`
	Told           uint64  `json:"told"`
}

func main() {
	name := flag.String("logger", "zerolog", "whom to measure")
	phase := flag.String("phase", "cost", "cost, latency or flood")
	records := flag.Int("records", 100000, "how many records")
	folder := flag.String("folder", ".", "where files may be written")
	flag.Parse()
	result, err := run(*name, *phase, *records, *folder)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	text, _ := json.Marshal(result)
	fmt.Println(string(text))
}

func run(name, phase string, records int, folder string) (seen, error) {
	// The clock of a thread is that of a goroutine that stays on it.
	runtime.LockOSThread()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return seen{}, err
	}
	path := filepath.Join(folder, "peer.log")
	file, err := os.Create(path)
	if err != nil {
		return seen{}, err
	}
	log, err := start(name, file)
	if err != nil {
		return seen{}, err
	}
	exchanges := usual()
	for at := range exchanges {
		log.write(&exchanges[at])
	}
	records = (records + group - 1) / group * group
	times := make([]uint32, 0, records)
	var callerNs int64
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	allocations, allocated := memory.Mallocs, memory.TotalAlloc
	before, processBefore, began := written(), cpu(clockProcess), time.Now()
	due := time.Duration(0)
	for at := 0; at < records; at += group {
		if phase != "flood" {
			time.Sleep(due - time.Since(began))
			due += groupEvery
		}
		threadBefore := cpu(clockThread)
		for step := range group {
			exchange := &exchanges[(at+step)%len(exchanges)]
			if phase == "latency" {
				from := time.Now()
				log.write(exchange)
				times = append(times, uint32(min(time.Since(from).Nanoseconds(), math.MaxUint32)))
				continue
			}
			log.write(exchange)
		}
		callerNs += cpu(clockThread) - threadBefore
	}
	seconds := time.Since(began).Seconds()
	runtime.ReadMemStats(&memory)
	counted := log.end()
	allNs := cpu(clockProcess) - processBefore
	after := written()
	inFile, told, err := read(path)
	if err != nil {
		return seen{}, err
	}
	each := func(sum float64) float64 { return sum / float64(records) }
	ofFile := func(sum int64) float64 { return float64(sum) / float64(max(inFile, 1)) }
	slices.Sort(times)
	return seen{
		Records: records + len(exchanges), CallerNs: each(float64(callerNs)), AllNs: each(float64(allNs)),
		P50Ns: rank(times, 0.5), P99Ns: rank(times, 0.99), P999Ns: rank(times, 0.999), MaxNs: rank(times, 1),
		Allocations: each(float64(memory.Mallocs - allocations)), AllocatedBytes: each(float64(memory.TotalAlloc - allocated)),
		WriteCalls: ofFile(after.calls - before.calls), WriteBytes: ofFile(after.bytes - before.bytes),
		DiskBytes: ofFile(after.disk - before.disk), PerSecond: float64(records) / seconds,
		Written: inFile, Counted: counted, Told: told,
	}, nil
}

func rank(sorted []uint32, part float64) uint32 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(int(math.Ceil(float64(len(sorted))*part))-1, 0)]
}

const (
	clockProcess = 2
	clockThread  = 3
)

// Processor time of this thread or of all, in nanoseconds.
func cpu(clock uintptr) int64 {
	var now syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&now)), 0)
	return now.Nano()
}

type writes struct{ calls, bytes, disk int64 }

func written() writes {
	text, _ := os.ReadFile("/proc/self/io")
	number := func(name string) int64 {
		_, rest, _ := strings.Cut(string(text), "\n"+name+": ")
		digits, _, _ := strings.Cut(rest, "\n")
		found, _ := strconv.ParseInt(digits, 10, 64)
		return found
	}
	return writes{number("syscw"), number("wchar"), number("write_bytes")}
}

var lost = regexp.MustCompile(`"records_dropped":(\d+)`)

// Records in the file, and records that it says are missing.
func read(path string) (inFile, told uint64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if found := lost.FindSubmatch(lines.Bytes()); found != nil {
			count, _ := strconv.ParseUint(string(found[1]), 10, 64)
			told += count
			continue
		}
		inFile++
	}
	return inFile, told, lines.Err()
}
