// Package abi carries Go values over the border of a component, as the canonical ABI has them.
//
// The generated packages are made of its parts: a Store writes a value into memory that the host will read, a Load reads
// one that the host wrote. The host allocates what it hands over by cabi_realloc; strings and slices of bytes that are
// loaded are that memory itself, without a copy.
package abi

import (
	"math"
	"runtime"
	"time"
	"unsafe"
)

// Arena keeps the memory of one call alive: what a core function is given is a number, which the collector does not see.
type Arena struct{ kept []unsafe.Pointer }

// NewArena is not inlined, so that what an arena keeps is on the heap, where nothing moves.
//
//go:noinline
func NewArena() *Arena { return &Arena{} }

// results keeps the answer of the export under way until the next one.
var results *Arena

// Results is the arena of an export's answer: the host reads it after the export has returned.
func Results() *Arena {
	results = NewArena()
	return results
}

// Keep ends the life of the arena: it is called after the host is done.
func (a *Arena) Keep() { runtime.KeepAlive(a) }

// Space is zeroed memory, aligned for every value.
func (a *Arena) Space(size uintptr) unsafe.Pointer {
	block := unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	a.kept = append(a.kept, block)
	return block
}

// String is pointer and length of a text.
func (a *Arena) String(text string) (uint32, uint32) {
	at := unsafe.Pointer(unsafe.StringData(text))
	a.kept = append(a.kept, at)
	return uint32(uintptr(at)), uint32(len(text))
}

// Bytes is pointer and length of bytes.
func (a *Arena) Bytes(bytes []byte) (uint32, uint32) {
	at := unsafe.Pointer(unsafe.SliceData(bytes))
	a.kept = append(a.kept, at)
	return uint32(uintptr(at)), uint32(len(bytes))
}

// List is pointer and number of elements of so many bytes each.
func List[T any](a *Arena, values []T, size uintptr, store Store[T]) (uint32, uint32) {
	block := a.Space(size * uintptr(len(values)))
	for number, value := range values {
		store(a, unsafe.Add(block, size*uintptr(number)), value)
	}
	return uint32(uintptr(block)), uint32(len(values))
}

// alive holds what the host allocated until it is loaded.
var alive = map[unsafe.Pointer]struct{}{}

// allocate serves cabi_realloc.
func allocate(old unsafe.Pointer, oldSize, size uint32) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	block := unsafe.Pointer(unsafe.SliceData(make([]uint64, (uintptr(size)+7)/8)))
	alive[block] = struct{}{}
	if old != nil {
		copy(unsafe.Slice((*byte)(block), size), unsafe.Slice((*byte)(old), min(oldSize, size)))
		delete(alive, old)
	}
	return block
}

// take is the host's memory as ours from now on.
func take(at, length uint32) unsafe.Pointer {
	if length == 0 {
		return nil
	}
	// A pointer of the host's side is a number as wide as Go's own.
	number := uintptr(at)
	block := *(*unsafe.Pointer)(unsafe.Pointer(&number))
	delete(alive, block)
	return block
}

// TakeString is a text that the host handed over.
func TakeString(at, length uint32) string {
	return unsafe.String((*byte)(take(at, length)), length)
}

// TakeBytes is bytes that the host handed over.
func TakeBytes(at, length uint32) []byte {
	return unsafe.Slice((*byte)(take(at, length)), length)
}

// TakeList is a list that the host handed over.
func TakeList[T any](at, length uint32, size uintptr, load Load[T]) []T {
	block := take(at, length)
	values := make([]T, length)
	for number := range values {
		values[number] = load(unsafe.Add(block, size*uintptr(number)))
	}
	return values
}

// Bool is a truth value as a number.
func Bool(value bool) uint32 {
	if value {
		return 1
	}
	return 0
}

// FromTime is milliseconds since 1970.
func FromTime(t time.Time) float64 { return float64(t.UnixMilli()) }

// ToTime is the time of so many milliseconds since 1970.
func ToTime(milliseconds float64) time.Time { return time.UnixMilli(int64(milliseconds)).UTC() }

// FromMilliseconds counts them; what is below or above the numbers of the contract is the nearest of them.
func FromMilliseconds(d time.Duration) uint32 { return units(d, time.Millisecond) }

// FromSeconds counts them in the same way.
func FromSeconds(d time.Duration) uint32 { return units(d, time.Second) }

func units(d, unit time.Duration) uint32 {
	return uint32(min(max(d/unit, 0), math.MaxUint32))
}

// ToMilliseconds is their duration.
func ToMilliseconds(count uint32) time.Duration { return time.Duration(count) * time.Millisecond }

// ToSeconds is their duration.
func ToSeconds(count uint32) time.Duration { return time.Duration(count) * time.Second }
