// Package console is what people's browsers are shown: pages that work without any
// script (sign-in, the first sign-in, approving by a link, access that ended, a device's
// code, asking for an application), and the files of the console itself where they are
// built in. It decides nothing and holds no state: package api does, and says no.
//
// Whatever a stranger wrote is shown as text: control and bidirectional characters
// escaped, and then HTML.
package console
