# For fleets in which not every TPM is known to be a real one (old certificates, virtual machines), and
# some entries are too valuable for those. Hosts enrol with whatever admission.minimum_assurance of
# data.json lets in; the entries that are listed here are given out only on hosts whose TPM has a
# vendor's certificate.
#
# The keys of this folder's data.json go into the policy's one data.json, beside those that are there.
package lodekey.issuance

import rego.v1

deny contains {
	"code": "assurance-too-low",
	"subject": "assurance of the host's TPM",
	"expected": "hardware",
	"seen": object.get(input, ["facts", "proved", "assurance"], "unknown"),
	"text": "this entry is for hosts whose TPM is known to be a real one",
	"accept": "Add the TPM vendor's root to admission.vendor_roots and let the host enrol again, or use another host.",
} if {
	not assurance_enough
}

assurance_enough if input.facts.proved.assurance == "hardware"

assurance_enough if {
	is_string(input.entry.spiffe_id)
	is_array(data.issuance.hardware_only)
	not input.entry.spiffe_id in data.issuance.hardware_only
}
