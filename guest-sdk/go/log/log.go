package log

import "fmt"

// Debug, Info, Warn and Error write a text and pairs of key and value: log.Info("seen", "recipient", address).
func Debug(text string, pairs ...any) { say(LevelDebug, text, pairs) }

// Info is worth a line in the server's log.
func Info(text string, pairs ...any) { say(LevelInfo, text, pairs) }

// Warn is worth a look.
func Warn(text string, pairs ...any) { say(LevelWarn, text, pairs) }

// Error is wrong.
func Error(text string, pairs ...any) { say(LevelError, text, pairs) }

func say(level Level, text string, pairs []any) {
	var fields []Field
	for len(pairs) > 1 {
		fields = append(fields, Field{Key: fmt.Sprint(pairs[0]), Value: fmt.Sprint(pairs[1])})
		pairs = pairs[2:]
	}
	Write(level, text, fields)
}
