package enginetest

import "strings"

// sentence is an error without what the client itself put in: the name it used.
func sentence(err error, name string) string {
	return strings.ReplaceAll(err.Error(), name, "NAME")
}
