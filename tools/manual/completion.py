# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The completion for bash: passes, their options within quotation marks, and the values of options that are files or
yes or no."""

SCRIPT = r"""# bash completion for mlir-ptq's tools; generated from their --help and from the passes' definitions.

declare -gA _ptq_pass_options=(
@PASS_OPTIONS@
)
# What follows an option's '=': file or bool, by TOOL or PASS, a dot and the option.
declare -gA _ptq_values=(
@VALUES@
)
_ptq_passes='@PASSES@'
declare -gA _ptq_tool_options=(
@TOOL_OPTIONS@
)

# _ptq_complete_value OWNER.OPTION PREFIX VALUE: what the option may be, after the prefix.
_ptq_complete_value() {
  local IFS=$'\n'
  case ${_ptq_values[$1]-} in
    file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -P "$2" -f -- "$3") ;;
    bool) mapfile -t COMPREPLY < <(compgen -P "$2" -W $'true\nfalse' -- "$3") ;;
  esac
}

# _ptq_complete_pass PASS TEXT: within a pass's options; TEXT is all that is typed of them.
_ptq_complete_pass() {
  local text=${2#[\"\']} last head
  last=${text##* }
  head=${text%"$last"}
  compopt -o nospace
  if [[ $last == *=* ]]; then
    _ptq_complete_value "$1.${last%%=*}" "$head${last%%=*}=" "${last#*=}"
    # A list of files.
    return
  fi
  local option options=()
  for option in ${_ptq_pass_options[$1]}; do
    # Each option once.
    [[ " $head" == *" $option="* ]] || options+=("$option=")
  done
  local IFS=$'\n'
  mapfile -t COMPREPLY < <(compgen -P "$head" -W "${options[*]}" -- "$last")
}

_ptq_complete() {
  local tool=${1##*/} line word before
  COMPREPLY=()
  # The word as typed, which bash has cut at '=' and ':'.
  line=${COMP_LINE:0:COMP_POINT}
  word=${COMP_WORDS[COMP_CWORD]}
  before=${COMP_WORDS[COMP_CWORD-1]-}
  if [[ $word == = ]]; then
    word='' option=$before
  elif [[ $before == = ]]; then
    option=${COMP_WORDS[COMP_CWORD-2]-}
  else
    option=''
  fi
  # --pass=option=value without quotation marks: bash has cut it twice.
  if [[ $option && $option != -* && ${COMP_WORDS[COMP_CWORD-3]-} == = || $line =~ --[a-z0-9-]+=[a-z-]+=[^\ ]*$ ]]; then
    local whole=${line##* }
    local pass=${whole%%=*} rest=${whole#*=}
    if [[ $tool == quant-opt && -v _ptq_pass_options[${pass#--}] ]]; then
      _ptq_complete_value "${pass#--}.${rest%%=*}" '' "${rest#*=}"
      return
    fi
  fi
  if [[ $option == --* ]]; then
    option=${option#--}
    if [[ $tool == quant-opt && -v _ptq_pass_options[$option] ]]; then
      _ptq_complete_pass "$option" "$word"
    else
      _ptq_complete_value "$tool.$option" '' "$word"
    fi
  elif [[ $word == -* ]]; then
    compopt -o nospace
    local IFS=$'\n'
    if [[ $tool == quant-opt ]]; then
      mapfile -t COMPREPLY < <(compgen -W "${_ptq_passes// /$'\n'}" -- "$word")
      # Upstream's passes and options only where none of ours fits.
      ((${#COMPREPLY[@]})) && return
    fi
    local options=${_ptq_tool_options[$tool]}
    mapfile -t COMPREPLY < <(compgen -W "${options// /$'\n'}" -- "$word")
  else
    compopt -o filenames
    local IFS=$'\n'
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
}

complete -F _ptq_complete @TOOLS@
"""


def assign(table):
    return "\n".join(f"  [{key}]='{value}'" for key, value in table.items())


def script(stages, helps):
    passes = [p for _, group in stages for p in group]
    values = {f"{p.name}.{o.name}": o.kind for p in passes for o in p.options if o.kind}
    options = {}
    for tool, sections in helps.items():
        flags = []
        for _, group in sections:
            for option, text in group:
                name, _, value = option.partition("=")
                flags.append(name + ("=" if value else ""))
                if value in ("<F>", "<F[,F]>", "<filename>", "<MODEL>"):
                    values[f"{tool}.{name.lstrip('-')}"] = "file"
        options[tool] = " ".join(dict.fromkeys(flags))
    text = SCRIPT
    for mark, value in {
            "PASS_OPTIONS": assign({p.name: " ".join(o.name for o in p.options) for p in passes}),
            "VALUES": assign(values),
            "PASSES": " ".join(f"--{p.name}" + ("=" if p.options else "") for p in passes),
            "TOOL_OPTIONS": assign(options),
            "TOOLS": " ".join(helps)}.items():
        text = text.replace(f"@{mark}@", value)
    return text
