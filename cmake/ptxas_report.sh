#!/bin/sh
# ptxas_report.sh COMPILER ARGUMENTS...: runs it, and keeps what ptxas -v says of an object in a file beside
# it, OBJECT.ptxas, for ci/kernels. All else that the compiler says goes on to where it would have gone.
object=
previous=
for argument; do
  if [ "$previous" = -o ]; then object=$argument; fi
  previous=$argument
done
case $object in
*.o) ;;
*) exec "$@" ;;
esac
"$@" 2>"$object.said"
status=$?
about='^ptxas info|^ *[0-9]+ bytes stack frame'
grep -E "$about" "$object.said" >"$object.ptxas"
grep -Ev "$about" "$object.said" >&2
rm -f "$object.said"
exit $status
