//go:build soak

package ssh

import "testing"

func TestAGibibyteBothWays(t *testing.T) { largeFile(t, 1<<30) }
