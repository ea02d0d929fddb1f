# For tokens that say what they are for: which workload may talk to which service (the audience of a
# JWT-SVID), and to do what there (its scopes). A workload that is listed gets tokens for the audiences
# that its table has, and scopes that each audience of the token has; one that is not listed gets what its
# entry allows, without scopes. X.509-SVIDs are not concerned.
#
# The keys of this folder's data.json go into the policy's one data.json, beside those that are there.
# The entry's own jwt_audiences have to allow the audience as well.
package lodekey.issuance

import rego.v1

deny contains {
	"code": "destination-not-allowed",
	"subject": sprintf("%v", [object.get(input, ["entry", "spiffe_id"], "entry without a SPIFFE ID")]),
	"expected": "an audience of issuance.destinations in data.json",
	"seen": substring(concat(", ", input.request.audience), 0, 250),
	"text": "the policy lets this workload talk to no such service",
	"accept": "If it may, add the audience and its scopes to issuance.destinations in the policy's data.json.",
} if {
	not input.request.kind == "x509"
	not destinations_unlimited
	not destinations_allowed
}

destinations_unlimited if {
	is_string(input.entry.spiffe_id)
	is_object(data.issuance.destinations)
	not data.issuance.destinations[input.entry.spiffe_id]
}

destinations_allowed if {
	count(input.request.audience) > 0
	every audience in input.request.audience {
		is_array(data.issuance.destinations[input.entry.spiffe_id][audience])
	}
}

# A scope that only one of two audiences knows is refused by the shipped rules ("scope-not-allowed").
scopes contains scope if {
	destinations_allowed
	some scope in input.request.scope
	every audience in input.request.audience {
		scope in data.issuance.destinations[input.entry.spiffe_id][audience]
	}
}
