package stack

import "private-api/internal/cost"

// estimate says what the stack costs. It needs what is looked up.
func (c *configuration) estimate() (*cost.Estimate, error) {
	lines := c.consumer.Cost()
	if !c.adopts() {
		lines = append(lines, c.producer.Cost()...)
	}
	if c.customerManagedKey {
		lines = append(lines, cost.Of("KMS key", "kms-key", 1))
	}
	return cost.New(c.producer.Region, lines)
}
