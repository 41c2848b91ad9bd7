package e2e

import (
	"sync"
	"testing"
)

// TestSideBySide brings two stacks up at the same time in one account and region, and takes one down: nothing of the
// other is missing, changed or in the way. They have the same name, as those of two people with backends of their own.
func TestSideBySide(t *testing.T) {
	a := newAccount(t)
	stays := a.newStack(t, "dev", nil, base())
	goes := a.newStack(t, "dev", nil, base().with(byName))
	var both sync.WaitGroup
	for _, d := range []*deployment{stays, goes} {
		both.Go(func() {
			if _, _, err := d.tryUp(); err != nil {
				t.Errorf("%s: %v", d.Name(), err)
			}
		})
	}
	both.Wait()
	if t.Failed() {
		return
	}
	a.compare(t, stays, goes)

	goes.destroy(t)
	a.compare(t, stays)
	expect(t, stays.refresh(t), nil)
	stays.unchanged(t)
	stays.destroy(t)
	a.sweep(t, "dev")
}
