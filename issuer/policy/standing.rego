# What becomes of a host after its evidence was judged: whether it keeps, or gets, its identity.
#
# The issuer asks this after each enrolment and each attestation whose evidence is authentic: signed by
# the host's TPM, for this nonce, over the values presented. What no policy may waive is not asked here: a
# wrong signature, another boot, a counter that went back (docs/policy.md).
#
# How to read it: a rule holds where every line of its body holds, and a line that looks at a field which
# is not there does not hold. "allowed" is therefore a list of what has to be true: what is missing can
# only deny. The rules "why contains …" decide nothing. They are asked after a denial, and tell the person
# who reads it what was expected, what was seen and what would make it acceptable.
#
# A denial withdraws the host's identity, unless all of its reasons are "message_only": then this one
# message is refused, and the host stays what it was.
#
# To add rules of your own, leave this file as it is, and put one beside it that begins with the same
# `package` line:
#
#   deny contains {"code": "…", "text": "…"} if { … }
#
# What is a matter of yes or no stands in data.json, under "appraisal" and "admission".
package lodekey.standing

import rego.v1

decision := {"allow": true, "rule": "lodekey.standing.allowed"} if allowed

decision := {
	"allow": false,
	"rule": "lodekey.standing.deny",
	"reasons": array.slice(reasons, 0, 32),
} if {
	not allowed
}

allowed if {
	# Of what the verifier found nothing is left that data.json does not accept.
	is_array(input.findings)
	count(findings) == 0

	# What data.json leaves to choice.
	key_accepted
	ledger_claimed
	ledger_untouched
	firmware_accepted
	references_accepted
	assured

	# No rule objects.
	count(deny) == 0
}

# Rules of the verifier that failed, but for those that are accepted by name. They are kept by their
# place, so that no two of them count as one.

findings contains place if {
	some place, finding in input.findings
	not accepted(finding)
}

accepted(finding) if finding.code in data.appraisal.accept_findings

# Another attestation key than in the last boot speaks for the same chip. Whoever reaches the TPM can make
# one: it counts when an operator approved it, or when data.json says that new ones are welcome.

key_accepted if input.facts.proved.attestation_key in {"same", "approved"}

key_accepted if {
	input.facts.proved.attestation_key == "new"
	data.appraisal.accept_new_ak == true
}

# In each boot the agent claims a register of the TPM before anything else can. Without the claim, another
# program of the host could speak for it.

ledger_claimed if input.facts.recorded.ledger_register != "absent"

ledger_claimed if {
	input.facts.recorded.ledger_register == "absent"
	data.appraisal.require_claim == false
}

# Somebody used that register before the agent's first look.

ledger_untouched if input.facts.recorded.ledger_touched == "no"

ledger_untouched if {
	input.facts.recorded.ledger_touched == "yes"
	data.appraisal.accept_touched_ledger == true
}

# The TPM runs another firmware than at the last enrolment.

firmware_accepted if input.facts.proved.firmware_changed == "no"

firmware_accepted if {
	input.facts.proved.firmware_changed == "yes"
	data.appraisal.accept_firmware_change == true
}

# Whether the host runs what was approved can only be said where something was approved.

references_accepted if input.facts.declared.reference_values != "absent"

references_accepted if {
	input.facts.declared.reference_values == "absent"
	data.appraisal.require_references == false
}

# How sure it is that the TPM is a real one.

assured if ranks[input.facts.proved.assurance] >= ranks[data.admission.minimum_assurance]

ranks := {"inventory": 0, "emulator": 1, "hardware": 2}

# Why not. First what concerns the host, then what concerns the message alone: of more than 32 reasons the
# first are kept.

reasons := found if {
	of_the_host := [reason | some reason in objections; not object.get(reason, "message_only", false)]
	of_the_message := [reason | some reason in objections; object.get(reason, "message_only", false)]
	found := array.concat(of_the_host, of_the_message)
	count(found) > 0
	not key_refused
}

# A key that does not speak for the node cannot cost it its standing either, whatever else it shows.
reasons := found if {
	key_refused
	found := [object.union(reason, {"message_only": true}) | some reason in objections]
}

key_refused if {
	input.facts.proved.attestation_key == "new"
	not key_accepted
}

reasons := [{
	"code": "input-incomplete",
	"subject": "input of the decision",
	"text": "the policy was not told what it needs to decide",
	"accept": "Issuer and policy may be of different versions. On the issuer: lodekey policy show",
	"message_only": true,
}] if {
	count(objections) == 0
}

objections := deny | why

# Evidence from the future is not judged: it is the issuer's clock that is wrong.
deny contains {
	"code": "time-went-back",
	"subject": sprintf("node %v", [node_id]),
	"expected": "evidence from before now",
	"seen": sprintf("evidence that is %v s old", [object.get(input, ["node", "evidence_age"], "?")]),
	"text": "the host's evidence is younger than now: the issuer's clock went back",
	"accept": "Check the clock of the issuer's host. It mends itself once the time of the evidence has come again.",
	"message_only": true,
} if {
	not input.node.evidence_age >= 0
}

why contains {
	"code": object.get(finding, "code", "finding-without-code"),
	"subject": text_of(finding, "subject"),
	"expected": text_of(finding, "expected"),
	"seen": text_of(finding, "seen"),
	"text": "the host's evidence is authentic and not acceptable",
	"accept": text_of(finding, "accept"),
} if {
	some place in findings
	finding := input.findings[place]
}

why contains {
	"code": "findings-absent",
	"subject": "findings of the verifier",
	"expected": "a list, empty where all rules were kept",
	"seen": "none",
	"text": "the policy was not told what the verifier found",
	"accept": "Issuer and policy may be of different versions. On the issuer: lodekey policy show",
	"message_only": true,
} if {
	not is_array(input.findings)
}

# The host keeps its standing: otherwise anybody with access to the TPM could take the identity from it.
why contains {
	"code": "ak-not-approved",
	"subject": "attestation key",
	"expected": text_of(input.facts.proved, "attestation_key_before"),
	"seen": text_of(input.facts.proved, "attestation_key_name"),
	"text": "the TPM shows another attestation key than in the boot before, and nobody approved it",
	"accept": sprintf("If the host was reinstalled or its state was lost: lodekey node approve-ak %v --ak %v", [
		node_id,
		object.get(input.facts.proved, "attestation_key_name", "NAME"),
	]),
	"message_only": true,
} if {
	key_refused
}

why contains {
	"code": "claim-missing",
	"subject": "ledger register",
	"expected": "a claim of the TPM for the AK",
	"seen": "none",
	"text": "the host has claimed no register of its TPM for the agent",
	"accept": "Set tpm.ledger_pcr on the host, or appraisal.require_claim to false in the policy's data.json.",
} if {
	not ledger_claimed
	input.facts.recorded.ledger_register == "absent"
}

why contains {
	"code": "ledger-touched",
	"subject": sprintf("ledger register PCR %v", [object.get(input, ["facts", "recorded", "ledger_register"], "?")]),
	"expected": "its initial value at the agent's first look",
	"seen": "something had extended it",
	"text": "something used the agent's register before the agent did",
	"accept": concat(" ", [
		"Reboot the host if the agent's ledger of this boot was lost: nothing else helps. Otherwise give the",
		"agent a register that nothing else uses (tpm.ledger_pcr), or set appraisal.accept_touched_ledger in",
		"the policy's data.json.",
	]),
} if {
	not ledger_untouched
	input.facts.recorded.ledger_touched == "yes"
}

why contains {
	"code": "firmware-changed",
	"subject": "TPM firmware version",
	"expected": text_of(input.facts.proved, "firmware_version_before"),
	"seen": text_of(input.facts.proved, "firmware_version"),
	"text": "the TPM runs another firmware than at the last enrolment",
	"accept": concat(" ", [
		"Set appraisal.accept_firmware_change in the policy's data.json while TPM firmware is being",
		"updated.",
	]),
} if {
	not firmware_accepted
	input.facts.proved.firmware_changed == "yes"
}

why contains {
	"code": "references-absent",
	"subject": sprintf("group '%v'", [object.get(input, ["node", "group"], "?")]),
	"expected": "approved PCR values",
	"seen": "none",
	"text": "nobody has approved what hosts of this group run",
	"accept": sprintf("lodekey node approve-pcrs %v", [node_id]),
} if {
	not references_accepted
	input.facts.declared.reference_values == "absent"
}

why contains {
	"code": "assurance-too-low",
	"subject": "assurance of the TPM",
	"expected": sprintf("at least %v", [object.get(data, ["admission", "minimum_assurance"], "?")]),
	"seen": input.facts.proved.assurance,
	"text": "it is not as sure as the policy wants that the TPM is a real one",
	"accept": concat(" ", [
		"On the issuer: add the TPM vendor's root to admission.vendor_roots, or lower",
		"admission.minimum_assurance in the policy's data.json; then let the host enrol again.",
	]),
} if {
	ranks[input.facts.proved.assurance] < ranks[data.admission.minimum_assurance]
}

# What is missing denies, and is no fault of the host: it stays what it was.
why contains {
	"code": "fact-missing",
	"subject": concat(".", path),
	"expected": "a fact that the verifier states of every host",
	"seen": "none",
	"text": "the policy was not told what it needs to decide",
	"accept": "Issuer and policy may be of different versions. On the issuer: lodekey policy show",
	"message_only": true,
} if {
	some path in [
		["facts", "proved", "assurance"],
		["facts", "proved", "attestation_key"],
		["facts", "proved", "firmware_changed"],
		["facts", "recorded", "ledger_register"],
		["facts", "recorded", "ledger_touched"],
		["facts", "declared", "reference_values"],
	]
	object.get(input, path, null) == null
}

why contains {
	"code": "data-invalid",
	"subject": "admission.minimum_assurance",
	"expected": "inventory, emulator or hardware",
	"seen": clipped(sprintf("%v", [object.get(data, ["admission", "minimum_assurance"], "none")])),
	"text": "the policy's data.json does not say how sure a TPM has to be",
	"accept": "Correct data.json, and apply the policy again.",
	"message_only": true,
} if {
	not ranks[data.admission.minimum_assurance]
}

node_id := object.get(input, ["node", "id"], "?")

# A reason is for a person, and bounded: 1,024 bytes of each text.

text_of(fields, name) := clipped(sprintf("%v", [object.get(fields, name, "not said")]))

clipped(text) := text if count(hex.encode(text)) <= 2048

clipped(text) := sprintf("%v …", [substring(text, 0, 250)]) if count(hex.encode(text)) > 2048
