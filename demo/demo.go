// Package demo plays the story.
package demo

import "context"

// Run plays it.
func Run(context.Context, []string) error { return nil }
