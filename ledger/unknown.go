package ledger

import "errors"

// ErrUnknown says that nobody knows whether a batch was appended.
var ErrUnknown = errors.New("the outcome of the append is unknown")
