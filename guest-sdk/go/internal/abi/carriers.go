package abi

import (
	"time"
	"unsafe"
)

// Store writes a value to memory.
type Store[T any] = func(a *Arena, at unsafe.Pointer, value T)

// Load reads a value from memory.
type Load[T any] = func(at unsafe.Pointer) T

// StoreBool, and what follows it, write plain values.
func StoreBool(_ *Arena, at unsafe.Pointer, value bool) { *(*uint8)(at) = uint8(Bool(value)) }

func StoreU8[T ~uint8](_ *Arena, at unsafe.Pointer, value T)   { *(*T)(at) = value }
func StoreS8(_ *Arena, at unsafe.Pointer, value int8)          { *(*int8)(at) = value }
func StoreU16(_ *Arena, at unsafe.Pointer, value uint16)       { *(*uint16)(at) = value }
func StoreU32[T ~uint32](_ *Arena, at unsafe.Pointer, value T) { *(*T)(at) = value }
func StoreF64(_ *Arena, at unsafe.Pointer, value float64)      { *(*float64)(at) = value }

func StoreTime(_ *Arena, at unsafe.Pointer, value time.Time) { *(*float64)(at) = FromTime(value) }
func StoreMilliseconds(_ *Arena, at unsafe.Pointer, value time.Duration) {
	*(*uint32)(at) = FromMilliseconds(value)
}
func StoreSeconds(_ *Arena, at unsafe.Pointer, value time.Duration) {
	*(*uint32)(at) = FromSeconds(value)
}

func StoreString[T ~string](a *Arena, at unsafe.Pointer, value T) {
	pointer, length := a.String(string(value))
	storePair(at, pointer, length)
}

func StoreBytes(a *Arena, at unsafe.Pointer, value []byte) {
	pointer, length := a.Bytes(value)
	storePair(at, pointer, length)
}

// StoreList writes lists of elements of so many bytes.
func StoreList[T any](size uintptr, store Store[T]) Store[[]T] {
	return func(a *Arena, at unsafe.Pointer, value []T) {
		pointer, length := List(a, value, size, store)
		storePair(at, pointer, length)
	}
}

// StoreOption writes what a pointer points to, behind so many bytes.
func StoreOption[T any](offset uintptr, store Store[T]) Store[*T] {
	return func(a *Arena, at unsafe.Pointer, value *T) {
		if value != nil {
			*(*uint8)(at) = 1
			store(a, unsafe.Add(at, offset), *value)
		}
	}
}

func storePair(at unsafe.Pointer, pointer, length uint32) {
	*(*uint32)(at) = pointer
	*(*uint32)(unsafe.Add(at, 4)) = length
}

// LoadBool, and what follows it, read plain values.
func LoadBool(at unsafe.Pointer) bool { return *(*uint8)(at) != 0 }

func LoadU8[T ~uint8](at unsafe.Pointer) T   { return *(*T)(at) }
func LoadS8(at unsafe.Pointer) int8          { return *(*int8)(at) }
func LoadU16(at unsafe.Pointer) uint16       { return *(*uint16)(at) }
func LoadU32[T ~uint32](at unsafe.Pointer) T { return *(*T)(at) }
func LoadF64(at unsafe.Pointer) float64      { return *(*float64)(at) }

func LoadTime(at unsafe.Pointer) time.Time { return ToTime(*(*float64)(at)) }
func LoadMilliseconds(at unsafe.Pointer) time.Duration {
	return ToMilliseconds(*(*uint32)(at))
}
func LoadSeconds(at unsafe.Pointer) time.Duration { return ToSeconds(*(*uint32)(at)) }

func LoadString[T ~string](at unsafe.Pointer) T { return T(TakeString(loadPair(at))) }

func LoadBytes(at unsafe.Pointer) []byte { return TakeBytes(loadPair(at)) }

// LoadList reads lists of elements of so many bytes.
func LoadList[T any](size uintptr, load Load[T]) Load[[]T] {
	return func(at unsafe.Pointer) []T {
		pointer, length := loadPair(at)
		return TakeList(pointer, length, size, load)
	}
}

// LoadOption reads a pointer to what stands behind so many bytes.
func LoadOption[T any](offset uintptr, load Load[T]) Load[*T] {
	return func(at unsafe.Pointer) *T {
		if *(*uint8)(at) == 0 {
			return nil
		}
		value := load(unsafe.Add(at, offset))
		return &value
	}
}

func loadPair(at unsafe.Pointer) (uint32, uint32) {
	return *(*uint32)(at), *(*uint32)(unsafe.Add(at, 4))
}
