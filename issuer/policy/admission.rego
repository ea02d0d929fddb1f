# Whether a host may enrol.
#
# The issuer asks this twice. At "start" anybody may be speaking: the host has shown an endorsement key and
# perhaps its certificate. At "finish" it has proved that it holds the TPM of that key, and has shown its
# DevID, if it has one. Both have to allow; what a person has to approve is said at "finish".
#
# How to read it: a rule holds where every line of its body holds, and a line that looks at a field which
# is not there does not hold. "allowed" is therefore a list of what has to be true: what is missing can
# only deny. The rules "why contains …" decide nothing. They are asked after a denial, and tell the person
# who reads it what was expected, what was seen and what would make it acceptable.
#
# To add rules of your own, leave this file as it is, and put one beside it that begins with the same
# `package` line. It may say any of these:
#
#   deny contains {"code": "…", "text": "…"} if { … }   the host may not enrol, for this reason
#   approval if { … }                                   an operator has to approve it first
#   labels[name] := value if { … }                      a label that a new node gets
#
# What is a matter of yes or no stands in data.json, under "admission".
package lodekey.admission

import rego.v1

decision := {
	"allow": true,
	"rule": "lodekey.admission.allowed",
	"obligations": obligations,
	"labels": labels,
} if {
	allowed
}

decision := {
	"allow": false,
	"rule": "lodekey.admission.deny",
	"reasons": array.slice(reasons, 0, 32),
} if {
	not allowed
}

allowed if {
	# The host is known, or there is a way in for those that are not.
	may_enter

	# The TPM is as surely a real one as data.json wants it.
	assured

	# No rule objects.
	count(deny) == 0
}

# The inventory has the host, and nobody has taken it out of service.

in_inventory if {
	input.node.known == true
	input.node.standing in {"allowed", "active", "refused"}
	input.request.stage in {"start", "finish"}
}

# A host that no inventory has, or that waits for its approval.

is_new if {
	input.node.known == false
	input.node.standing in {"", "allowed", "pending"}
}

is_new if input.node.standing == "pending"

# The ways in. A new host may begin where it could get in at the end: its DevID is seen only then.

may_enter if in_inventory

may_enter if {
	is_new
	input.request.stage == "start"
	some way in [data.admission.unknown, data.admission.devid]
	way in {"approval", "allow"}
}

may_enter if {
	is_new
	input.request.stage == "finish"
	way_in in {"approval", "allow"}
}

# A DevID of the operator's CA counts where data.json lets it; without one only approval is left.

way_in := data.admission.devid if devid_counts

way_in := "approval" if {
	not devid_counts
	data.admission.unknown == "approval"
}

# A TPM says that the DevID's key is in it and cannot leave it; that is worth as much as the TPM. Software that
# poses as one says it of any key, so that a stranger needs the certificate of a vendor besides.
devid_counts if {
	input.facts.proved.devid.subject
	data.admission.devid in {"approval", "allow"}
	ranks[input.facts.proved.assurance] >= ranks[data.admission.devid_assurance]
}

# Approval: of a new host that comes in this way, or that a rule of yours names. One that the inventory has was
# approved by whoever put it there: for such a host the obligation is met.

approval if {
	is_new
	way_in == "approval"
}

obligations contains {"kind": "approval"} if {
	input.request.stage == "finish"
	approval
}

# Labels of a new node.

labels[name] := value if some name, value in data.admission.labels

# How sure it is that the TPM is a real one.

assured if ranks[input.facts.proved.assurance] >= ranks[data.admission.minimum_assurance]

ranks := {"inventory": 0, "emulator": 1, "hardware": 2}

# Why not. A host whose enrolment is refused stays what it was: at "start" anybody could be asking for it.

reasons := found if {
	found := [object.union(reason, {"message_only": true}) | some reason in deny | why]
	count(found) > 0
}

reasons := [{
	"code": "input-incomplete",
	"subject": "input of the decision",
	"text": "the policy was not told what it needs to decide",
	"accept": "Issuer and policy may be of different versions. On the issuer: lodekey policy show",
	"message_only": true,
}] if {
	count(deny | why) == 0
}

# One that an operator told to stay away, or that was found to be two, is not let in by another rule.
deny contains {
	"code": closed[input.node.standing],
	"subject": sprintf("node %v", [node_id]),
	"expected": "a node that may come",
	"seen": input.node.standing,
	"text": sprintf("the node is %v", [input.node.standing]),
	"accept": sprintf("On the issuer: lodekey explain --node %v", [node_id]),
}

closed := {
	"removed": "node-removed",
	"quarantined": "node-quarantined",
	"barred": "node-barred",
}

why contains {
	"code": "ek-not-in-inventory",
	"subject": sprintf("endorsement key %v", [node_id]),
	"expected": "a key that the inventory has",
	"seen": "one that it has not",
	"text": "the inventory does not have this host, and the policy knows no other way in for it",
	"accept": sprintf("On the issuer: lodekey node allow %v", [node_id]),
} if {
	is_new
	not may_enter
}

# The code says what the chip's certificate lacks, where that is known.
why contains {
	"code": assurance_code,
	"subject": "assurance of the TPM",
	"expected": sprintf("at least %v", [object.get(data, ["admission", "minimum_assurance"], "?")]),
	"seen": object.get(input, ["facts", "proved", "assurance"], "unknown"),
	"text": object.get(
		{
			"ek-certificate-absent": "the chip shows no certificate for its endorsement key",
			"ek-certificate-malformed": "the certificate of the endorsement key cannot be read",
			"ek-certificate-usage": "the certificate is not one for an endorsement key (2.23.133.8.1)",
			"ek-certificate-unknown-ca": "no configured vendor root leads to the issuer of the certificate",
		},
		assurance_code,
		"it is not as sure as the policy wants that the TPM is a real one",
	),
	"accept": concat(" ", [
		"On the issuer: add the TPM vendor's root to admission.vendor_roots, or lower",
		"admission.minimum_assurance in the policy's data.json.",
	]),
} if {
	not assured
}

assurance_code := "assurance-too-low" if object.get(input, ["facts", "proved", "assurance_reason"], "") == ""

assurance_code := input.facts.proved.assurance_reason if input.facts.proved.assurance_reason != ""

node_id := object.get(input, ["node", "id"], "?")
