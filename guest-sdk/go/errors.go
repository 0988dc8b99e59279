package sluice

// What the host's errors say; compare them with errors.Is(err, sluice.NotFound{}).

func (NotPermitted) Error() string        { return "the host does not permit this in this event" }
func (QuotaExceeded) Error() string       { return "a quota is exceeded" }
func (NotFound) Error() string            { return "there is no such thing" }
func (why InvalidArgument) Error() string { return "invalid argument: " + string(why) }
func (TooLarge) Error() string            { return "it is too large" }
func (Unavailable) Error() string         { return "it is unavailable at the moment" }
func (TimedOut) Error() string            { return "too little of the call's time is left" }
func (word Other) Error() string          { return string(word) }
