//go:build !soak

package judge

// compared texts are put to the judge and to a server.
const compared = 3000

const seedOfTests = 20261126
