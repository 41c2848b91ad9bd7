package consumer

import "private-api/internal/cost"

// Cost lists what AWS charges for the consumer, as it has the settings. An API costs by the request alone; its domain name, the
// certificate and the records that are aliases cost nothing.
// Sources: https://aws.amazon.com/api-gateway/pricing/ https://aws.amazon.com/certificate-manager/pricing/ https://aws.amazon.com/route53/pricing/
func (a *Args) Cost() []cost.Line {
	lines := []cost.Line{
		cost.OfLoad("requests to the API", "http-api", 1),
		cost.OfLoad("answers to the internet", "transfer-out", cost.Answers),
		cost.OfLoad("logs", "logs", cost.APILog),
	}
	if a.Bastion.Enabled {
		lines = append(lines,
			cost.Of("bastion, its disk and address", instanceType, 1),
			cost.Of("bastion, its disk and address", "gp3", rootVolume),
			cost.Of("bastion, its disk and address", "public-ipv4", 1))
	}
	return lines
}
