# For credentials that should not outlive a change of the host by minutes: payments, signing keys, a
# vault. They are given only while the host has proved itself within the last N seconds, per entry or
# per audience. Where its evidence is older, the agent makes new evidence and asks again by itself: the
# workload waits for a second, and nobody is refused.
#
# The keys of this folder's data.json go into the policy's one data.json, beside those that are there.
# Seconds are at least 30: evidence has to get here.
package lodekey.issuance

import rego.v1

evidence_within contains seconds if {
	seconds := data.issuance.fresh_evidence.entries[input.entry.spiffe_id]
}

evidence_within contains seconds if {
	some audience in input.request.audience
	seconds := data.issuance.fresh_evidence.audiences[audience]
}

# Without the table, or without a name to look up in it, the rules above would say nothing at all.
deny contains {
	"code": "fresh-evidence-unknown",
	"subject": "fresh evidence",
	"expected": "issuance.fresh_evidence.entries and .audiences in data.json, and an entry with a SPIFFE ID",
	"seen": "not all of them",
	"text": "it cannot be said how young the evidence has to be",
	"accept": "Put issuance.fresh_evidence into the policy's data.json, empty where it is not used.",
} if {
	not fresh_evidence_known
}

fresh_evidence_known if {
	is_string(input.entry.spiffe_id)
	is_array(input.request.audience)
	is_object(data.issuance.fresh_evidence.entries)
	is_object(data.issuance.fresh_evidence.audiences)
}
