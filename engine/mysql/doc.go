// Package mysql is the engine for MySQL's protocol: MariaDB, and what speaks like it. It
// makes a temporary account for each grant, or judges each statement where the account is
// fixed (package judge), holds clients to their own credentials,
// records every command before it goes on, and never lets a file of a client's be read.
package mysql
