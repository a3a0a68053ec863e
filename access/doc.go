// Package access is the only place where access is asked for, given, used and
// ended. Commands are decided against the folded state by a pure function;
// what is decided is appended to the ledger; what the ledger says is folded
// into the state that readers see. It dials nothing, tells nobody and removes
// nothing: those who do follow the ledger.
package access
