# For hosts that belong to a place: a host with the label site=berlin gets credentials only while it asks
# from an address of Berlin. It stops a host that was carried away, or whose traffic takes another way
# than it should. The address is the one that the issuer sees: behind a proxy or NAT it is theirs. Hosts
# without a site, or of a site that has no ranges, get nothing.
#
# The keys of this folder's data.json go into the policy's one data.json, beside those that are there.
# Ranges are IPv4 or IPv6 in CIDR form; one that is none counts for nobody.
package lodekey.issuance

import rego.v1

deny contains {
	"code": "site-unknown",
	"subject": "the host's label 'site'",
	"expected": "a site of issuance.site_networks in data.json",
	"seen": site_of_host,
	"text": "the policy has no networks for the site of this host",
	"accept": "Give the host its label on the issuer, or its site's networks to the policy's data.json.",
} if {
	not data.issuance.site_networks[input.facts.declared.labels.site]
}

deny contains {
	"code": "network-not-allowed",
	"subject": sprintf("address of the host at site '%v'", [site_of_host]),
	"expected": concat(", ", array.slice(ranges, 0, 10)),
	"seen": object.get(input, ["facts", "observed", "source"], "unknown"),
	"text": "the host asks from an address outside of its site",
	"accept": "Let the host use its site's network, or add the range to issuance.site_networks in data.json.",
} if {
	ranges := data.issuance.site_networks[input.facts.declared.labels.site]
	not within_site
}

site_of_host := object.get(input, ["facts", "declared", "labels", "site"], "none")

within_site if {
	some range in data.issuance.site_networks[input.facts.declared.labels.site]
	net.cidr_is_valid(range)
	net.cidr_contains(range, source_address)
}

# An issuer that listens on IPv6 sees IPv4 as ::ffff:192.0.2.7. What is no address at all has no value
# here, and is within nothing: net.cidr_contains would end the decision with an error.
source_address := address if {
	address := trim_prefix(input.facts.observed.source, "::ffff:")
	some length in ["/32", "/128"]
	net.cidr_is_valid(concat("", [address, length]))
}
