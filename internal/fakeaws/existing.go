package fakeaws

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/template"
)

// ExistingVpc exists in every account: a VPC with 10.8.0.0/16, and subnets of /24 in the first three zones, which have
// a default route to a NAT gateway. Nothing else is in it.
const ExistingVpc = "vpc-00000001"

// ExistingSubnets are its subnets.
var ExistingSubnets = []struct{ ID, CidrBlock string }{
	{"subnet-00000001", "10.8.0.0/24"}, {"subnet-00000002", "10.8.1.0/24"}, {"subnet-00000003", "10.8.2.0/24"},
}

// EC2 answers the calls of EC2 by which the program looks at a network that exists. The region is that of the signature.
func EC2(w http.ResponseWriter, r *http.Request) {
	in := Default
	if scope := strings.Split(r.Header.Get("Authorization"), "/"); len(scope) > 2 {
		in.Region = scope[2]
	}
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	var answer bytes.Buffer
	err := r.ParseForm()
	if err == nil {
		err = ec2Answers.ExecuteTemplate(&answer, r.PostForm.Get("Action"), ec2Call{in, r.PostForm})
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<Response><Errors><Error><Code>InvalidAction</Code><Message>the stand-in for AWS does not answer this call of EC2: %s</Message></Error></Errors></Response>", template.HTMLEscapeString(err.Error()))
		return
	}
	fmt.Fprintf(w, "<Response>%s</Response>", answer.String())
}

// ec2Call is a call in the query protocol of EC2.
// Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html
type ec2Call struct {
	Account
	Form url.Values
}

// Has tells whether a filter, which the call must have, lets a value pass.
func (c ec2Call) Has(filter, value string) (bool, error) {
	for i := 1; c.Form.Has(fmt.Sprintf("Filter.%d.Name", i)); i++ {
		if c.Form.Get(fmt.Sprintf("Filter.%d.Name", i)) != filter {
			continue
		}
		for j := 1; ; j++ {
			switch key := fmt.Sprintf("Filter.%d.Value.%d", i, j); {
			case !c.Form.Has(key):
				return false, nil
			case c.Form.Get(key) == value:
				return true, nil
			}
		}
	}
	return false, fmt.Errorf("no filter %s", filter)
}

// Subnets are those that the call asks for, with their zones.
func (c ec2Call) Subnets() (all []map[string]any, err error) {
	for i, subnet := range ExistingSubnets {
		asked, err := c.Has("subnet-id", subnet.ID)
		if err != nil {
			return nil, err
		}
		if asked {
			all = append(all, map[string]any{"ID": subnet.ID, "CidrBlock": subnet.CidrBlock, "Zone": c.Region + string("abc"[i]), "ZoneID": fmt.Sprintf("%s-az%d", regionCode(c.Region), i+1)})
		}
	}
	return all, nil
}

var ec2Answers = template.Must(template.New("").Funcs(template.FuncMap{"vpc": func() string { return ExistingVpc }}).Parse(strings.NewReplacer("\n", "", "\t", "").Replace(`
{{define "DescribeVpcs"}}<vpcSet>{{if .Has "vpc-id" vpc}}<item><vpcId>{{vpc}}</vpcId><ownerId>{{.ID}}</ownerId>
	<cidrBlockAssociationSet><item><cidrBlock>10.8.0.0/16</cidrBlock></item></cidrBlockAssociationSet></item>{{end}}</vpcSet>{{end}}
{{define "DescribeVpcAttribute"}}{{with .Form.Get "Attribute"}}<{{.}}><value>true</value></{{.}}>{{end}}{{end}}
{{define "DescribeSubnets"}}<subnetSet>{{range .Subnets}}<item><subnetId>{{.ID}}</subnetId><vpcId>{{vpc}}</vpcId>
	<availabilityZone>{{.Zone}}</availabilityZone><availabilityZoneId>{{.ZoneID}}</availabilityZoneId>
	<cidrBlock>{{.CidrBlock}}</cidrBlock><availableIpAddressCount>251</availableIpAddressCount></item>{{end}}</subnetSet>{{end}}
{{define "DescribeRouteTables"}}<routeTableSet><item><routeTableId>rtb-00000001</routeTableId><associationSet><item><main>true</main></item></associationSet>
	<routeSet><item><destinationCidrBlock>0.0.0.0/0</destinationCidrBlock><natGatewayId>nat-00000001</natGatewayId><state>active</state></item></routeSet></item></routeTableSet>{{end}}
{{define "DescribeVpcEndpoints"}}<vpcEndpointSet></vpcEndpointSet>{{end}}
{{define "DescribeSecurityGroups"}}<securityGroupInfo></securityGroupInfo>{{end}}
`)))
