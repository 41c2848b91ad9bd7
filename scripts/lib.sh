# shellcheck shell=bash disable=SC2034 # the scripts that source this file use more variables than it does
# Functions that the other scripts share. Scripts that source this file run in the
# root of the repository, on the stack $STACK (default: dev).

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
stack=${STACK:-dev}
stack_file=Pulumi.${stack##*/}.yaml # the full name may be organization/project/stack

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
has() { command -v "$1" >/dev/null; }

[[ $stack =~ ^[A-Za-z0-9_.][A-Za-z0-9_./-]*$ ]] || die "STACK=$stack is not the name of a stack: letters, digits, dots, - and _, not beginning with -"

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

# setting KEY prints a text of the stack's file, which may exist before the stack does. A field of an object is
# services.book.image. It reads what Pulumi writes, a key a line; of other YAML it prints nothing.
setting() {
  [[ -r $stack_file ]] || return 0
  awk -v key="$1" -v project="$(sed -n 's/^name: *//p' Pulumi.yaml):" '
    function text(yaml) {
      if (match(yaml, /^\047([^\047]|\047\047)*\047/)) {
        yaml = substr(yaml, 2, RLENGTH - 2)
        gsub(/\047\047/, "\047", yaml)
      } else if (match(yaml, /^"[^"\\]*"/)) {
        yaml = substr(yaml, 2, RLENGTH - 2)
      } else if (yaml ~ /^["\047{[|>&*!]/) {
        yaml = ""
      } else {
        sub(/(^| )#.*/, "", yaml)
        sub(/ +$/, "", yaml)
      }
      return yaml
    }
    /^ *(#|$)/ || !match($0, /:( |$)/) { next }
    {
      name = substr($0, 1, RSTART - 1)
      value = substr($0, RSTART + 1)
      sub(/^ +/, "", value)
      match(name, /^ */)
      while (depth && indent[depth] >= RLENGTH) depth--
      indent[++depth] = RLENGTH
      name = text(substr(name, RLENGTH + 1))
      if (depth == 2 && index(name, project) == 1) name = substr(name, length(project) + 1)
      path[depth] = (depth > 2 ? path[depth - 1] "." : "") name
      if (depth > 1 && path[1] == "config" && path[depth] == key) { print text(value); exit }
    }' "$stack_file"
}

# credentials_file is where Pulumi keeps its login: in the home folder of the account, whatever HOME says.
# https://github.com/pulumi/pulumi/blob/v3.230.0/sdk/go/common/workspace/paths.go (GetPulumiHomeDir)
credentials_file() (
  # Without HOME, bash looks the account up. For an account that is nowhere, Go takes HOME too.
  if id -un >/dev/null 2>&1; then unset HOME; fi
  home=~/.pulumi
  echo "${PULUMI_CREDENTIALS_PATH:-${PULUMI_HOME:-$home}}/credentials.json"
)

# logged_in: true if there is already a backend for the state, of any kind.
logged_in() {
  [[ -n ${PULUMI_BACKEND_URL:-} || -n ${PULUMI_ACCESS_TOKEN:-} ]] ||
    grep -qs '"current": *"[^"]' "$(credentials_file)" ||
    grep -q '^backend:' Pulumi.yaml
}

# log_in keeps an existing login. If there is none, it logs in to the local
# backend, which needs no account and keeps the state in ~/.pulumi.
log_in() { logged_in || pulumi login --local --non-interactive >&2; }

# check_backend changes nothing: the local backend, if it comes to that, needs no check.
check_backend() {
  local answer
  if ! logged_in; then
    # A machine of a CI system is thrown away, and a local state with it.
    [[ -z ${CI:-} ]] || problem "a Pulumi backend that outlives this machine (CI is set): set PULUMI_BACKEND_URL or PULUMI_ACCESS_TOKEN"
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
# A backend that others can read, such as a bucket, takes no empty one: a variable
# can also be empty because the secret of a CI system is missing.
use_passphrase() {
  if passphrase_given; then return 0; fi
  ! grep -qs '^secretsprovider:' "$stack_file" || return 0
  local url='file:'
  if logged_in; then
    url=${PULUMI_BACKEND_URL:-$(pulumi whoami --verbose --non-interactive 2>/dev/null | sed -n 's/^Backend URL: *//p' || true)}
  fi
  case $url in
    file:*)
      [[ -n ${PULUMI_CONFIG_PASSPHRASE+set} ]] || grep -qs '^encryptionsalt:' "$stack_file" ||
        note="PULUMI_CONFIG_PASSPHRASE is not set, so the secrets of stack $stack are encrypted with an empty passphrase"
      export PULUMI_CONFIG_PASSPHRASE='' ;;
    '' | http:* | https:*) ;; # no answer, or Pulumi Cloud, which has keys of its own
    *)
      problem "a passphrase to encrypt the secrets in ${url%%\?*}, and not an empty one: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE" ;;
  esac
}

# passphrase_given: true if there is a passphrase that is not empty, or a file that Pulumi will say it cannot read. It
# looks for the file only if the variable is not set at all, and takes the spaces around a passphrase off:
# https://github.com/pulumi/pulumi/blob/v3.230.0/pkg/secrets/passphrase/manager.go (readPassphrase)
passphrase_given() {
  local file=${PULUMI_CONFIG_PASSPHRASE_FILE:-}
  if [[ -n ${PULUMI_CONFIG_PASSPHRASE+set} ]]; then
    [[ -n $PULUMI_CONFIG_PASSPHRASE ]]
  else
    [[ -n $file ]] && { [[ ! -r $file ]] || grep -q '[^[:space:]]' "$file"; }
  fi
}

# open_stack selects a stack that must already exist.
open_stack() {
  check_pulumi
  give_up_on_problems
  logged_in || die "you are not logged in to a Pulumi backend, so there is no stack yet; \`make up\` creates one"
  check_backend
  give_up_on_problems
  pulumi stack select "$stack" --non-interactive >&2 || exit 1
}
