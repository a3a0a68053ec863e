//go:build !noconsole

package console

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var built embed.FS

// Dist is the console's build, which is committed: building the program needs no Node.
// The tag noconsole leaves it out.
func Dist() fs.FS {
	dist, err := fs.Sub(built, "dist")
	if err != nil {
		panic(err) // the name is a constant, and valid
	}
	return dist
}
