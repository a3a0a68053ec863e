//go:build noconsole

package console

import "io/fs"

// Dist is nil: this build has no console.
func Dist() fs.FS { return nil }
