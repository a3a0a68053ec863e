// Package curfew holds the words of the product: principal, resource, role,
// policy, request, grant, session, lease, event, error. They are values and
// rules about values. Nothing here does I/O, asks the time or starts a
// goroutine, and nothing here imports another package of this module.
package curfew
