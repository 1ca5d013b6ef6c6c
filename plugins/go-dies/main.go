// A guest in Go that dies in the way that the request header `x-die` names, or its configuration.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
)

func main() {}

var ways = map[string]func(){
	"nil_dereference":    dereferenceNothing,
	"index_out_of_range": readOutside,
	"panic":              panicWithWords,
	"panic_error":        panicWithError,
	"panic_again":        panicWhilePanicking,
	"panic_goroutine":    panicElsewhere,
	"deadlock":           waitForNobody,
	"exit":               leave,
	"recursion":          recurseForEver,
	"memory":             takeAllMemory,
	"unlock":             unlockTheUnlocked,
	"recover":            recoverAndSaySo,
}

// Dies, unless there is no such way.
func die(way string) {
	if do := ways[way]; do != nil {
		do()
	}
}

type visitor struct{ count int }

func (v *visitor) greet() { v.count++ }

// What the compiler must not know.
var (
	nobody *visitor
	three  = 3
	depth  int
)

//go:noinline
func dereferenceNothing() { nobody.greet() }

//go:noinline
func readOutside() {
	few := []int{1, 2, 3}
	fmt.Println(few[three])
}

//go:noinline
func panicWithWords() { panic("told to") }

//go:noinline
func panicWithError() {
	defer fmt.Fprintln(os.Stderr, "deferred: closing what was open")
	panic(fmt.Errorf("cannot read the key: %w", errors.New("no such key")))
}

//go:noinline
func panicWhilePanicking() {
	defer func() { panic("told to by the deferred one") }()
	panic("told to")
}

//go:noinline
func panicElsewhere() {
	var group sync.WaitGroup
	group.Add(1)
	go func() {
		defer group.Done()
		panic("told to in a goroutine")
	}()
	group.Wait()
}

//go:noinline
func waitForNobody() { <-make(chan int) }

//go:noinline
func leave() {
	fmt.Fprintln(os.Stderr, "leaving")
	os.Exit(3)
}

//go:noinline
func recurseForEver() {
	depth++
	recurseForEver()
	depth--
}

//go:noinline
func takeAllMemory() {
	// Else a collection may be under way, by the clock, and it is that which finds no memory.
	debug.SetGCPercent(-1)
	var all [][]byte
	for {
		all = append(all, make([]byte, 1<<20))
	}
}

//go:noinline
func unlockTheUnlocked() {
	var lock sync.Mutex
	lock.Unlock()
}

// As Higress's SDK does: what panicked is logged, and the exchange goes on.
//
//go:noinline
func recoverAndSaySo() {
	defer func() { fmt.Fprintln(os.Stderr, "recovered panic:", recover()) }()
	panicWithWords()
}
