# shellcheck shell=bash disable=SC2034 # the scripts that source it read more than it does itself
# What the other scripts share; they source it. They run in the root of the
# repository, on the stack that $STACK names (default dev).

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
stack=${STACK:-dev}
stack_file=Pulumi.${stack##*/}.yaml # a stack may be named organization/project/stack

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
has() { command -v "$1" >/dev/null; }

problems=()
note=''
problem() { problems+=("$(sed '/^$/d' <<<"$*")"); }

# give_up_on_problems names everything that is missing, not only the first thing.
give_up_on_problems() {
  (( ${#problems[@]} )) || return 0
  local text
  say "This is missing on the way to a stack:"
  for text in "${problems[@]}"; do say "  - ${text//$'\n'/$'\n'    }"; done
  exit 1
}

# at_least A B: version A is B or newer.
at_least() { [[ $(printf '%s\n' "$1" "$2" | sort -V | head -1) == "$2" ]]; }

check_pulumi() {
  local need have
  need=$(sed -n 's/^requiredPulumiVersion: *">=\([0-9.]*\)".*/\1/p' Pulumi.yaml)
  if ! has pulumi; then
    problem "pulumi $need or newer: install the CLI, https://www.pulumi.com/docs/install/"
    return
  fi
  have=$(pulumi version)
  at_least "${have#v}" "$need" || problem "pulumi $need or newer: this is ${have#v}; install a newer one, https://www.pulumi.com/docs/install/"
}

# logged_in: a backend for the state was chosen before, whatever it is.
logged_in() {
  [[ -n ${PULUMI_BACKEND_URL:-} || -n ${PULUMI_ACCESS_TOKEN:-} ]] ||
    grep -qs '"current": *"[^"]' "${PULUMI_HOME:-$HOME/.pulumi}/credentials.json" ||
    grep -q '^backend:' Pulumi.yaml
}

# use_backend keeps the login that is there. Only where there is none it logs in
# to the local backend, which needs no account: state in ~/.pulumi.
use_backend() {
  local answer
  if ! logged_in; then
    pulumi login --local --non-interactive >&2
  elif ! answer=$(pulumi whoami --non-interactive 2>&1); then
    problem "access to Pulumi's backend ${PULUMI_BACKEND_URL:-}: log in again (pulumi login), or choose the local one (pulumi login --local). It answers:
$answer"
  fi
  use_passphrase
}

# use_passphrase says what the secrets of a stack are encrypted with, where that
# is a passphrase. A local backend gets the empty one if nothing is set: the one
# secret of this project is ECR's login, which is void after 12 hours, and the
# state is in a folder that only its owner reads. A forgotten passphrase, on the
# other hand, locks the stack for good. Whoever puts real secrets into the
# configuration sets PULUMI_CONFIG_PASSPHRASE before the first `make up`.
# A backend that others read, such as a bucket, gets no such default.
use_passphrase() {
  [[ -z ${PULUMI_CONFIG_PASSPHRASE+set}${PULUMI_CONFIG_PASSPHRASE_FILE+set} ]] || return 0
  ! grep -qs '^secretsprovider:' "$stack_file" || return 0
  local url
  url=${PULUMI_BACKEND_URL:-$(pulumi whoami --verbose --non-interactive 2>/dev/null | sed -n 's/^Backend URL: *//p' || true)}
  case $url in
    file:*)
      export PULUMI_CONFIG_PASSPHRASE=''
      grep -qs '^encryptionsalt:' "$stack_file" ||
        note="Secrets of stack $stack: encrypted with an empty passphrase, as PULUMI_CONFIG_PASSPHRASE is not set" ;;
    s3:* | gs:* | azblob:*)
      problem "a passphrase, which encrypts the secrets in ${url%%\?*}: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE" ;;
  esac
}

# open_stack is for commands on a stack that exists.
open_stack() {
  check_pulumi
  give_up_on_problems
  logged_in || die "there is no login to a Pulumi backend yet, so there is no stack; \`make up\` makes one"
  use_backend
  give_up_on_problems
  pulumi stack select "$stack" --non-interactive >&2 || exit 1
}
