# Completion of headroom for bash. Made by "headroom completion bash": do not edit.
_headroom_ask() { headroom "$@" -q -o csv --no-header --timeout 1s 2>/dev/null | cut -d, -f1; }
# Whether the option $2 of the command $1 takes a value.
_headroom_takes_value() {
  case "$1:$2" in
    *:-o|*:--output) return 0 ;;
    *:--color) return 0 ;;
    *:--timeout) return 0 ;;
    *:--url) return 0 ;;
    top:--size) return 0 ;;
    ps:--sort) return 0 ;;
    ps:--gpu) return 0 ;;
    ps:--user) return 0 ;;
    ps:-n|ps:--limit) return 0 ;;
    history:--window) return 0 ;;
    history:--step) return 0 ;;
    history:--device) return 0 ;;
    forecast:--horizon) return 0 ;;
    event:--since) return 0 ;;
    event:--type) return 0 ;;
    event:-n|event:--limit) return 0 ;;
    alert:--severity) return 0 ;;
    fit:--mem|fit:--memory) return 0 ;;
    fit:--gpu-mem|fit:--gpu-memory) return 0 ;;
    fit:--cpu) return 0 ;;
    fit:--disk) return 0 ;;
    fit:--disk-path) return 0 ;;
    fit:--gpus) return 0 ;;
    fit:--gpu) return 0 ;;
    fit:--compute) return 0 ;;
    fit:--model) return 0 ;;
    fit:--config) return 0 ;;
    fit:--model-file) return 0 ;;
    fit:--context) return 0 ;;
    fit:--slots) return 0 ;;
    fit:--batch) return 0 ;;
    fit:--cache-type) return 0 ;;
    fit:--priority) return 0 ;;
    run:--mem|run:--memory) return 0 ;;
    run:--gpu-mem|run:--gpu-memory) return 0 ;;
    run:--cpu) return 0 ;;
    run:--disk) return 0 ;;
    run:--disk-path) return 0 ;;
    run:--gpus) return 0 ;;
    run:--gpu) return 0 ;;
    run:--compute) return 0 ;;
    run:--name) return 0 ;;
    run:--model) return 0 ;;
    run:--config) return 0 ;;
    run:--priority) return 0 ;;
    run:--for) return 0 ;;
    run:--at) return 0 ;;
    run:--wait) return 0 ;;
    wait:--mem|wait:--memory) return 0 ;;
    wait:--gpu-mem|wait:--gpu-memory) return 0 ;;
    wait:--cpu) return 0 ;;
    wait:--disk) return 0 ;;
    wait:--disk-path) return 0 ;;
    wait:--gpus) return 0 ;;
    wait:--gpu) return 0 ;;
    wait:--compute) return 0 ;;
    lease:--state) return 0 ;;
    lease:--name) return 0 ;;
    lease:--mem|lease:--memory) return 0 ;;
    lease:--gpu-mem|lease:--gpu-memory) return 0 ;;
    lease:--cpu) return 0 ;;
    lease:--disk) return 0 ;;
    lease:--disk-path) return 0 ;;
    lease:--gpus) return 0 ;;
    lease:--gpu) return 0 ;;
    lease:--compute) return 0 ;;
    lease:--pid) return 0 ;;
    lease:--cgroup) return 0 ;;
    lease:--unit) return 0 ;;
    lease:--container) return 0 ;;
    lease:--ttl) return 0 ;;
    lease:--at) return 0 ;;
    lease:--wait) return 0 ;;
    lease:--for) return 0 ;;
    lease:--priority) return 0 ;;
    lease:--model) return 0 ;;
    free:--mem|free:--memory) return 0 ;;
    free:--gpu-mem|free:--gpu-memory) return 0 ;;
    free:--gpu) return 0 ;;
    free:--priority) return 0 ;;
    free:--wait) return 0 ;;
    model:--mem|model:--memory) return 0 ;;
    model:--gpu-mem|model:--gpu-memory) return 0 ;;
    model:--cpu) return 0 ;;
    model:--disk) return 0 ;;
    model:--disk-path) return 0 ;;
    model:--gpus) return 0 ;;
    model:--gpu) return 0 ;;
    model:--compute) return 0 ;;
    model:--size) return 0 ;;
    model:--hook) return 0 ;;
    model:--priority) return 0 ;;
    model:--pid) return 0 ;;
    model:--ttl) return 0 ;;
    model:--state) return 0 ;;
    component:-n|component:--limit) return 0 ;;
    quota:--cpu) return 0 ;;
    quota:--memory|quota:--mem) return 0 ;;
    quota:--disk-iops) return 0 ;;
    quota:--net|quota:--network) return 0 ;;
    quota:--min-cpu) return 0 ;;
    quota:--max-cpu) return 0 ;;
    quota:--min-memory) return 0 ;;
    quota:--max-memory) return 0 ;;
    quota:--min-disk-iops) return 0 ;;
    quota:--max-disk-iops) return 0 ;;
    quota:--min-net) return 0 ;;
    quota:--max-net) return 0 ;;
    quota:--priority) return 0 ;;
    quota:--buffer) return 0 ;;
    quota:--during) return 0 ;;
    drain:--gpu) return 0 ;;
    session:--older) return 0 ;;
    session:--root) return 0 ;;
    session:--pid) return 0 ;;
    check:-r|check:--resource) return 0 ;;
    check:--gpu) return 0 ;;
    check:--max-age) return 0 ;;
    resource-management:--strategy) return 0 ;;
    resource-management:--duration) return 0 ;;
    resource-management:--component) return 0 ;;
    resource-management:-n|resource-management:--limit) return 0 ;;
    resource-management:--cpu) return 0 ;;
    resource-management:--memory) return 0 ;;
    resource-management:--priority) return 0 ;;
  esac
  return 1
}
_headroom() {
  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}"
  local command= verb= options= word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    word="${COMP_WORDS[i]}"
    case "$command" in
    run)
      if [[ $word == -- || $word != -* ]]; then
        [[ $word == -- ]] && ((++i))
        if declare -F _comp_command_offset >/dev/null; then _comp_command_offset "$i"
        elif declare -F _command_offset >/dev/null; then _command_offset "$i"
        else COMPREPLY=($(compgen -c -f -- "$cur")); fi
        return
      fi ;;
    esac
    if [[ $word == -* ]]; then
      _headroom_takes_value "$command" "$word" && ((++i))
    elif [[ -z $command ]]; then
      command="$word"
    elif [[ -z $verb ]]; then
      verb="$word"
    fi
    case "$command" in
    gpus) command=gpu ;;
    forecasts) command=forecast ;;
    events) command=event ;;
    alerts) command=alert ;;
    leases) command=lease ;;
    models) command=model ;;
    advice) command=advise ;;
    components) command=component ;;
    quotas) command=quota ;;
    strategies) command=strategy ;;
    drains) command=drain ;;
    sessions) command=session ;;
    esac
  done
  case "$command:$prev" in
    *:-o|*:--output) COMPREPLY=($(compgen -W 'table wide json jsonl csv' -- "$cur")); return ;;
    *:--color) COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
    *:--timeout) return ;;
    *:--url) return ;;
    top:--size) return ;;
    ps:--sort) COMPREPLY=($(compgen -W 'gpu mem cpu io' -- "$cur")); return ;;
    ps:--gpu) COMPREPLY=($(compgen -W "$(_headroom_ask gpu)" -- "$cur")); return ;;
    ps:--user) COMPREPLY=($(compgen -u -- "$cur")); return ;;
    ps:-n|ps:--limit) return ;;
    history:--window) return ;;
    history:--step) return ;;
    history:--device) COMPREPLY=($(compgen -W "$(_headroom_ask gpu)" -- "$cur")); return ;;
    forecast:--horizon) return ;;
    event:--since) return ;;
    event:--type) return ;;
    event:-n|event:--limit) return ;;
    alert:--severity) return ;;
    fit:--mem|fit:--memory) return ;;
    fit:--gpu-mem|fit:--gpu-memory) return ;;
    fit:--cpu) return ;;
    fit:--disk) return ;;
    fit:--disk-path) compopt -o default 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
    fit:--gpus) return ;;
    fit:--gpu) COMPREPLY=($(compgen -W "$(_headroom_ask gpu)" -- "$cur")); return ;;
    fit:--compute) return ;;
    fit:--model) COMPREPLY=($(compgen -W "$(_headroom_ask model)" -- "$cur")); return ;;
    fit:--config) return ;;
    fit:--model-file) compopt -o default 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
    fit:--context) return ;;
    fit:--slots) return ;;
    fit:--batch) return ;;
    fit:--cache-type) return ;;
    fit:--priority) COMPREPLY=($(compgen -W 'low normal high critical' -- "$cur")); return ;;
    run:--mem|run:--memory) return ;;
    run:--gpu-mem|run:--gpu-memory) return ;;
    run:--cpu) return ;;
    run:--disk) return ;;
    run:--disk-path) compopt -o default 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
    run:--gpus) return ;;
    run:--gpu) COMPREPLY=($(compgen -W "$(_headroom_ask gpu)" -- "$cur")); return ;;
    run:--compute) return ;;
    run:--name) return ;;
    run:--model) COMPREPLY=($(compgen -W "$(_headroom_ask model)" -- "$cur")); return ;;
    run:--config) return ;;
    run:--priority) COMPREPLY=($(compgen -W 'low normal high critical' -- "$cur")); return ;;
    run:--for) return ;;
    run:--at) return ;;
    run:--wait) return ;;
    wait:--mem|wait:--memory) return ;;
    wait:--gpu-mem|wait:--gpu-memory) return ;;
    wait:--cpu) return ;;
    wait:--disk) return ;;
    wait:--disk-path) compopt -o default 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
    wait:--gpus) return ;;
    wait:--gpu) COMPREPLY=($(compgen -W "$(_headroom_ask gpu)" -- "$cur")); return ;;
    wait:--compute) return ;;
    lease:--state) return ;;
    lease:--name) return ;;
    lease:--mem|lease:--memory) return ;;
    lease:--gpu-mem|lease:--gpu-memory) return ;;
    lease:--cpu) return ;;
    lease:--disk) return ;;
    lease:--disk-path) compopt -o default 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
    lease:--gpus) return ;;
    lease:--gpu) COMPREPLY=($(compgen -W "$(_headroom_ask gpu)" -- "$cur")); return ;;
    lease:--compute) return ;;
    lease:--pid) return ;;
    lease:--cgroup) return ;;
    lease:--unit) return ;;
    lease:--container) return ;;
    lease:--ttl) return ;;
    lease:--at) return ;;
    lease:--wait) return ;;
    lease:--for) return ;;
    lease:--priority) COMPREPLY=($(compgen -W 'low normal high critical' -- "$cur")); return ;;
    lease:--model) COMPREPLY=($(compgen -W "$(_headroom_ask model)" -- "$cur")); return ;;
    free:--mem|free:--memory) return ;;
    free:--gpu-mem|free:--gpu-memory) return ;;
    free:--gpu) COMPREPLY=($(compgen -W "$(_headroom_ask gpu)" -- "$cur")); return ;;
    free:--priority) COMPREPLY=($(compgen -W 'low normal high critical' -- "$cur")); return ;;
    free:--wait) return ;;
    model:--mem|model:--memory) return ;;
    model:--gpu-mem|model:--gpu-memory) return ;;
    model:--cpu) return ;;
    model:--disk) return ;;
    model:--disk-path) compopt -o default 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
    model:--gpus) return ;;
    model:--gpu) COMPREPLY=($(compgen -W "$(_headroom_ask gpu)" -- "$cur")); return ;;
    model:--compute) return ;;
    model:--size) return ;;
    model:--hook) return ;;
    model:--priority) COMPREPLY=($(compgen -W 'low normal high critical' -- "$cur")); return ;;
    model:--pid) return ;;
    model:--ttl) return ;;
    model:--state) return ;;
    component:-n|component:--limit) return ;;
    quota:--cpu) return ;;
    quota:--memory|quota:--mem) return ;;
    quota:--disk-iops) return ;;
    quota:--net|quota:--network) return ;;
    quota:--min-cpu) return ;;
    quota:--max-cpu) return ;;
    quota:--min-memory) return ;;
    quota:--max-memory) return ;;
    quota:--min-disk-iops) return ;;
    quota:--max-disk-iops) return ;;
    quota:--min-net) return ;;
    quota:--max-net) return ;;
    quota:--priority) COMPREPLY=($(compgen -W 'critical high normal low' -- "$cur")); return ;;
    quota:--buffer) return ;;
    quota:--during) return ;;
    drain:--gpu) COMPREPLY=($(compgen -W "$(_headroom_ask gpu)" -- "$cur")); return ;;
    session:--older) return ;;
    session:--root) return ;;
    session:--pid) return ;;
    check:-r|check:--resource) COMPREPLY=($(compgen -W 'memory gpu_memory cpu disk gpu_temperature power network' -- "$cur")); return ;;
    check:--gpu) COMPREPLY=($(compgen -W "$(_headroom_ask gpu)" -- "$cur")); return ;;
    check:--max-age) return ;;
    resource-management:--strategy) return ;;
    resource-management:--duration) return ;;
    resource-management:--component) COMPREPLY=($(compgen -W "$(_headroom_ask component)" -- "$cur")); return ;;
    resource-management:-n|resource-management:--limit) return ;;
    resource-management:--cpu) return ;;
    resource-management:--memory) return ;;
    resource-management:--priority) COMPREPLY=($(compgen -W 'critical high normal low' -- "$cur")); return ;;
  esac
  if [[ $cur == -* ]]; then
    case "${command:-status}" in
    status) options='-o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    top) options='--once --size --ascii -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    gpu|gpus) options='-o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    ps) options='--sort --gpu --user --unbooked --all -n --limit -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    history) options='--window --step --device --csv -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    forecast|forecasts) options='--horizon -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    event|events) options='-f --follow --since --type -n --limit -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    alert|alerts) options='--severity --all -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    fit) options='--mem --memory --gpu-mem --gpu-memory --cpu --disk --disk-path --gpus --gpu --compute --exclusive --model --config --model-file --context --slots --batch --cache-type --priority -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    run) options='--mem --memory --gpu-mem --gpu-memory --cpu --disk --disk-path --gpus --gpu --compute --exclusive --name --model --config --priority --for --at --wait --no-wait --enforce --no-fence --spread --return-idle -d --detach -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json' ;;
    wait) options='--mem --memory --gpu-mem --gpu-memory --cpu --disk --disk-path --gpus --gpu --compute --exclusive -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    lease|leases) options='--state --name --mem --memory --gpu-mem --gpu-memory --cpu --disk --disk-path --gpus --gpu --compute --exclusive --pid --cgroup --unit --container --ttl --at --wait --for --priority --model --enforce --no-fence --return-idle -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    free) options='--mem --memory --gpu-mem --gpu-memory --gpu --priority --wait --dry-run --force -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    model|models) options='--mem --memory --gpu-mem --gpu-memory --cpu --disk --disk-path --gpus --gpu --compute --exclusive --size --hook --priority --pid --ttl --state -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    advise|advice) options='-o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    component|components) options='-n --limit --dry-run -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    quota|quotas) options='--cpu --memory --mem --disk-iops --net --network --min-cpu --max-cpu --min-memory --max-memory --min-disk-iops --max-disk-iops --min-net --max-net --priority --buffer --enforce --no-enforce --during -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    strategy|strategies) options='-o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    drain|drains) options='--gpu --undo -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    session|sessions) options='--older --root --pid --dry-run -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    doctor) options='--api --self-test -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    check) options='-r --resource --gpu --max-age -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    config) options='-o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    metrics) options='-o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    openapi) options='-o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    completion) options='-o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    resource-management) options='--strategy --duration --component -n --limit --cpu --memory --priority -o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    version) options='-o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    help) options='-o --output --json -q --quiet -v --verbose --color --bytes --no-header --timeout --local --url -h --help --help-json -w --watch' ;;
    esac
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
    return
  fi
  if [[ -z $command ]]; then
    COMPREPLY=($(compgen -W 'status top gpu ps history forecast event alert fit run wait lease free model advise component quota strategy drain session doctor check config metrics openapi completion resource-management version help' -- "$cur"))
    return
  fi
  case "$command:$verb" in
    gpu:) COMPREPLY=($(compgen -W "$(_headroom_ask gpu)" -- "$cur")) ;;
    history:) COMPREPLY=($(compgen -W 'memory gpu_memory cpu disk gpu_temperature power network' -- "$cur")) ;;
    forecast:) COMPREPLY=($(compgen -W 'memory gpu_memory cpu disk gpu_temperature power network' -- "$cur")) ;;
    alert:) COMPREPLY=($(compgen -W 'ls show ack mute unmute' -- "$cur")) ;;
    alert:show) COMPREPLY=($(compgen -W "$(_headroom_ask alert)" -- "$cur")) ;;
    alert:ack) COMPREPLY=($(compgen -W "$(_headroom_ask alert)" -- "$cur")) ;;
    alert:mute) COMPREPLY=($(compgen -W "$(_headroom_ask alert)" -- "$cur")) ;;
    alert:unmute) COMPREPLY=($(compgen -W "$(_headroom_ask alert)" -- "$cur")) ;;
    lease:) COMPREPLY=($(compgen -W 'ls show add renew give rm' -- "$cur")) ;;
    lease:show) COMPREPLY=($(compgen -W "$(_headroom_ask lease)" -- "$cur")) ;;
    lease:renew) COMPREPLY=($(compgen -W "$(_headroom_ask lease)" -- "$cur")) ;;
    lease:give) COMPREPLY=($(compgen -W "$(_headroom_ask lease)" -- "$cur")) ;;
    lease:rm) COMPREPLY=($(compgen -W "$(_headroom_ask lease)" -- "$cur")) ;;
    model:) COMPREPLY=($(compgen -W 'ls show set track touch pin unpin unload rm' -- "$cur")) ;;
    model:show) COMPREPLY=($(compgen -W "$(_headroom_ask model)" -- "$cur")) ;;
    model:set) COMPREPLY=($(compgen -W "$(_headroom_ask model)" -- "$cur")) ;;
    model:track) COMPREPLY=($(compgen -W "$(_headroom_ask model)" -- "$cur")) ;;
    model:touch) COMPREPLY=($(compgen -W "$(_headroom_ask model)" -- "$cur")) ;;
    model:pin) COMPREPLY=($(compgen -W "$(_headroom_ask model)" -- "$cur")) ;;
    model:unpin) COMPREPLY=($(compgen -W "$(_headroom_ask model)" -- "$cur")) ;;
    model:unload) COMPREPLY=($(compgen -W "$(_headroom_ask model)" -- "$cur")) ;;
    model:rm) COMPREPLY=($(compgen -W "$(_headroom_ask model)" -- "$cur")) ;;
    component:) COMPREPLY=($(compgen -W 'ls show history rm' -- "$cur")) ;;
    component:show) COMPREPLY=($(compgen -W "$(_headroom_ask component)" -- "$cur")) ;;
    component:history) COMPREPLY=($(compgen -W "$(_headroom_ask component)" -- "$cur")) ;;
    component:rm) COMPREPLY=($(compgen -W "$(_headroom_ask component)" -- "$cur")) ;;
    quota:) COMPREPLY=($(compgen -W 'show set' -- "$cur")) ;;
    quota:show) COMPREPLY=($(compgen -W "$(_headroom_ask component)" -- "$cur")) ;;
    quota:set) COMPREPLY=($(compgen -W "$(_headroom_ask component)" -- "$cur")) ;;
    strategy:) COMPREPLY=($(compgen -W 'show set' -- "$cur")) ;;
    drain:) COMPREPLY=($(compgen -W 'ls' -- "$cur")) ;;
    session:) COMPREPLY=($(compgen -W 'ls add clean rm' -- "$cur")) ;;
    config:) COMPREPLY=($(compgen -W 'show get set unset check defaults migrate path' -- "$cur")) ;;
    config:get) COMPREPLY=($(compgen -W "$(_headroom_ask config)" -- "$cur")) ;;
    config:set) COMPREPLY=($(compgen -W "$(_headroom_ask config)" -- "$cur")) ;;
    config:unset) COMPREPLY=($(compgen -W "$(_headroom_ask config)" -- "$cur")) ;;
    config:check) compopt -o default 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")) ;;
    config:migrate) compopt -o default 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")) ;;
    completion:) COMPREPLY=($(compgen -W 'bash zsh fish' -- "$cur")) ;;
    resource-management:) COMPREPLY=($(compgen -W 'start status history set-quota monitor export test' -- "$cur")) ;;
    resource-management:set-quota) COMPREPLY=($(compgen -W "$(_headroom_ask component)" -- "$cur")) ;;
    help:) COMPREPLY=($(compgen -W 'status top gpu ps history forecast event alert fit run wait lease free model advise component quota strategy drain session doctor check config metrics openapi completion resource-management version help' -- "$cur")) ;;
  esac
}
complete -F _headroom headroom
