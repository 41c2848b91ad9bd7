# shellcheck shell=bash disable=SC2034 # the scripts that source this file use more variables than it does
# Functions that the other scripts share. Scripts that source this file run in the
# root of the repository, on the stack $STACK (default: dev).

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
stack=${STACK:-dev}
stack_file=Pulumi.${stack##*/}.yaml # the full name may be organization/project/stack

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
has() { command -v "$1" >/dev/null; }

problems=()
note=''
problem() { problems+=("$(sed '/^$/d' <<<"$*")"); }

# give_up_on_problems lists everything that is missing, not only the first thing.
give_up_on_problems() {
  (( ${#problems[@]} )) || return 0
  local text
  say "This is missing:"
  for text in "${problems[@]}"; do say "  - ${text//$'\n'/$'\n'    }"; done
  exit 1
}

# at_least A B: true if version A is B or newer.
at_least() { [[ $(printf '%s\n' "$1" "$2" | sort -V | head -1) == "$2" ]]; }

check_pulumi() {
  local need have
  need=$(sed -n 's/^requiredPulumiVersion: *">=\([0-9.]*\)".*/\1/p' Pulumi.yaml)
  if ! has pulumi; then
    problem "pulumi $need or newer: see https://www.pulumi.com/docs/install/"
    return
  fi
  have=$(pulumi version)
  at_least "${have#v}" "$need" || problem "pulumi $need or newer: you have ${have#v}, see https://www.pulumi.com/docs/install/"
}

# logged_in: true if there is already a backend for the state, of any kind.
logged_in() {
  [[ -n ${PULUMI_BACKEND_URL:-} || -n ${PULUMI_ACCESS_TOKEN:-} ]] ||
    grep -qs '"current": *"[^"]' "${PULUMI_HOME:-$HOME/.pulumi}/credentials.json" ||
    grep -q '^backend:' Pulumi.yaml
}

# use_backend keeps an existing login. If there is none, it logs in to the local
# backend, which needs no account and keeps the state in ~/.pulumi.
use_backend() {
  local answer
  if ! logged_in; then
    pulumi login --local --non-interactive >&2
  elif ! answer=$(pulumi whoami --non-interactive 2>&1); then
    problem "access to Pulumi's backend${PULUMI_BACKEND_URL:+ $PULUMI_BACKEND_URL}: log in again (pulumi login), or use the local backend (pulumi login --local). The error is:
$answer"
  fi
  use_passphrase
}

# use_passphrase makes sure that there is a passphrase if the stack's secrets need
# one. The local backend gets an empty one by default: the only secret of this
# project is ECR's login, which expires after 12 hours, and only you can read the
# folder with the state. A forgotten passphrase would lock the stack for good.
# To keep real secrets in the configuration, set PULUMI_CONFIG_PASSPHRASE before
# the first `make up`. A backend that others can read, such as a bucket, gets no
# default.
use_passphrase() {
  [[ -z ${PULUMI_CONFIG_PASSPHRASE+set}${PULUMI_CONFIG_PASSPHRASE_FILE+set} ]] || return 0
  ! grep -qs '^secretsprovider:' "$stack_file" || return 0
  local url
  url=${PULUMI_BACKEND_URL:-$(pulumi whoami --verbose --non-interactive 2>/dev/null | sed -n 's/^Backend URL: *//p' || true)}
  case $url in
    file:*)
      export PULUMI_CONFIG_PASSPHRASE=''
      grep -qs '^encryptionsalt:' "$stack_file" ||
        note="PULUMI_CONFIG_PASSPHRASE is not set, so the secrets of stack $stack are encrypted with an empty passphrase" ;;
    s3:* | gs:* | azblob:*)
      problem "a passphrase to encrypt the secrets in ${url%%\?*}: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE" ;;
  esac
}

# open_stack selects a stack that must already exist.
open_stack() {
  check_pulumi
  give_up_on_problems
  logged_in || die "you are not logged in to a Pulumi backend, so there is no stack yet; \`make up\` creates one"
  use_backend
  give_up_on_problems
  pulumi stack select "$stack" --non-interactive >&2 || exit 1
}
