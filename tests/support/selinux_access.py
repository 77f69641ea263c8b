"""Ask a compiled SELinux policy; run by the system's Python, which has setools.

The argument is the policy's file. Standard input has a JSON list of questions: source type, target
type, class, permissions. For each, the answer has the permissions that no rule allows. Booleans are
as the policy sets them.
"""

import json
import sys

import setools


def _names(policy, name):
    """The names by which a rule may mean a type."""
    found = policy.lookup_type(name)
    return {str(found), *map(str, found.attributes())}


def _is_active(rule):
    try:
        booleans = {each.name: each.state for each in rule.conditional.booleans}
        return rule.conditional.evaluate(**booleans) == rule.conditional_block
    except AttributeError:  # no condition
        return True


def _denied(policy, questions):
    kinds = {kind for _, _, kind, _ in questions}
    rules = [
        (str(rule.source), str(rule.target), str(rule.tclass), rule)
        for rule in policy.terules()
        if rule.ruletype == setools.TERuletype.allow and str(rule.tclass) in kinds
    ]
    names = {each: _names(policy, each) for q in questions for each in q[:2] if each != "self"}
    for source, target, kind, permissions in questions:
        left = set(permissions)
        sources = names[source]
        targets = sources if target == "self" else names[target]
        for rule_source, rule_target, rule_kind, rule in rules:
            if (
                rule_kind == kind
                and rule_source in sources
                and rule_target in targets
                and _is_active(rule)
            ):
                left -= rule.perms
        yield sorted(left)


questions = json.load(sys.stdin)
print(json.dumps(list(_denied(setools.SELinuxPolicy(sys.argv[1]), questions))))
