package abi

import "unsafe"

//go:wasmexport cabi_realloc
func realloc(old unsafe.Pointer, oldSize, _ /* alignment: every block suits every value */, size uint32) unsafe.Pointer {
	return allocate(old, oldSize, size)
}

//go:wasmimport sluice:sink/log@0.1.0 write
func write(level, text, length, fields, count uint32)

//go:wasmimport wasi_snapshot_preview1 proc_exit
func exit(code uint32)

// levelError is `error` of the contract's log levels.
const levelError = 4

// Fault says why in the server's log, and ends the call: the binding's on-fault answers.
func Fault(why string) {
	a := NewArena()
	text, length := a.String(why)
	write(levelError, text, length, 0, 0)
	a.Keep()
	exit(1)
}
