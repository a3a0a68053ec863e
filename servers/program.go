package servers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// BuildProgram builds this tree's curfew into a folder, as a release is built, and says where it is.
func BuildProgram(folder string) (string, error) {
	program := filepath.Join(folder, "curfew")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "github.com/curfewhq/curfew/cmd/curfew")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return program, nil
}
