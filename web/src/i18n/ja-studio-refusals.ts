/** What the studio says about files, columns and runs, by the sentence as it stands in the server's source. */
export const studioRefusals: Record<string, string> = {
  'its name': '列名から判断しました',
  'its name contains one that such columns have': '列名の一部から判断しました',
  'its name, and {} of the ids in the interactions are here':
    '列名から判断しました。行動履歴の ID の {0} が含まれています',
  '{} of the ids in the interactions are here': '行動履歴の ID の {0} が含まれています',
  'its name, but only {} of the ids in the interactions are here':
    '列名から判断しましたが、行動履歴の ID の {0} しか含まれていません',
  'its name, and {} of its values are in the other file':
    '列名から判断しました。値の {0} がもう一方のファイルにもあります',
  '{} of its values are in the other file': '値の {0} がもう一方のファイルにもあります',
  'its name, though only {} of its values are in the other file':
    '列名から判断しましたが、もう一方のファイルにもある値は {0} だけです',
  'its values come back, but its name says nothing': '同じ値が繰り返し現れますが、列名からは判断できません',
  'its name, and its values are times': '列名から判断しました。値は日時です',
  'its values are times': '値が日時です',
  'its name says that it has times, but its values cannot be read as times':
    '列名は日時を表していますが、値を日時として読み取れません',
  '"{example}" cannot be read as a time. Write times as 2020-01-31, 2020-01-31 13:05:00, 31.01.2020 or Unix time; 01/02/2020 is read where another of the first rows, such as 31/01/2020, shows which number is the day. Or give this column the role "ignored".':
    '「{0}」を日時として読み取れません。日時は 2020-01-31、2020-01-31 13:05:00、31.01.2020、または Unix 時刻で記入してください。01/02/2020 の形式は、先頭付近の行に 31/01/2020 のような値があり、どちらが日かを判断できる場合に読み取ります。日時を使用しない場合は、この列の役割を「使用しない」にしてください。',
  '{unread} of {} rows are left out, since they have no time that can be read, but "{example}".':
    '{1} 行中 {0} 行は、「{2}」のように日時として読み取れない値のため、使用されません。',
  'its name, and it has few different values': '列名から判断しました。値の種類は少数です',
  'its values are words for what users do': '値がユーザーの行動を表す語です',
  'its name, and its values are numbers': '列名から判断しました。値は数値です',
  'its values are links to pictures': '値が画像の URL です',
  'its name, and its values are texts of about {:.0} characters':
    '列名から判断しました。値は {0} 文字程度のテキストです',
  'it is neither an id, a time, a rating nor an event type':
    'ID、日時、評価、イベントの種類のいずれでもありません',
  'The files seem to be swapped: the one sent as items has users in it, and the one sent as interactions has none.':
    'ファイルの用途が逆になっている可能性があります。アイテム情報のファイルにはユーザーの列があり、行動履歴のファイルにはありません。',
  'The files share no {of} id: column "{}" of the interactions and column "{}" of the {of}s file.':
    'ファイル間で共通の ID がありません（行動履歴の列「{1}」と、もう一方のファイルの列「{2}」）。',
  '{missing} of the {of} ids in the interactions have no row in the {of}s file.':
    '行動履歴の ID の {0} に対応する行が、もう一方のファイルにありません。',
  'The file has a header but no rows.': 'ファイルに見出し行しかありません。',
  '{times} columns are named "{name}". Rename or remove all but the one that is meant.':
    '「{1}」という名前の列が {0} つあります。使用する列以外は、名前を変えるか削除してください。',
  '{blank} of {} rows have no value here and are left out.':
    '{1} 行中 {0} 行で値が空のため、これらの行は使用されません。',
  '{} rows have an id that a later row has as well. The last row of an id counts.':
    '後の行と ID が重複する行が {0} 行あります。同じ ID では最後の行を使用します。',
  'All rows seen are of one {what}. Recommendations are learnt from what many have in common.':
    '確認した行がすべて同じ ID です。推薦は、多くのユーザーとアイテムに共通する傾向から学習します。',
  '"{first}" and "{second}" both occur. They are different ids, since ids are compared letter by letter.':
    '「{0}」と「{1}」の両方があります。ID は文字列として比較するため、別の ID として扱います。',
  'No column looks like {}. Say which one it is.':
    '判断できない列があります。どの列がユーザーまたはアイテムの ID かを選択してください。',
  'The goal "{goal}" needs an item file with columns that describe the items of the interactions.':
    'この方法では、行動履歴にあるアイテムの属性を含むアイテム情報のファイルが必要です。',
  'The goal "{goal}" needs this file.': 'この方法では、このファイルが必要です。',
  'There are no interactions. Send a file with what users did.':
    '行動履歴がありません。ユーザーの行動を記録したファイルを追加してください。',
  'All {rows} interactions are with one item. Send those with more items, or check which column has the item ids.':
    '{0} 件の行動がすべて同じアイテムに対するものです。ほかのアイテムの行動も含めるか、アイテム ID の列を確認してください。',
  'Column "{column}" is not used: each row counts as one interaction, whatever its rating is.':
    '列「{0}」は使用しません。評価の値にかかわらず、各行を 1 回の行動として数えます。',
  'No item of the interactions is in the item file, so recommendations do not use it. Check which columns have the item ids.':
    '行動履歴のアイテムがアイテム情報に 1 つもないため、アイテム情報は使用しません。アイテム ID の列を確認してください。',
  '{missing:.0} % of the items with interactions have no row in the item file.':
    '行動履歴のあるアイテムの {0}% に対応する行が、アイテム情報にありません。',
  'No column of the item file describes items, so recommendations do not use it.':
    'アイテム情報に属性の列がないため、推薦には使用しません。',
  'The search of this run was cancelled.': 'この実行のチューニングは中止されました。',
  'The search of this run has been deleted.': 'この実行のチューニングは削除されました。',
  'The training data of this run has been deleted.': 'この実行の学習データは削除されました。',
  'The model of this run has been deleted.': 'この実行のモデルは削除されました。',
  'The model could not be trained.': 'モデルを学習できませんでした。',
  'Send a file of interactions, a file of items, or both.':
    '行動履歴のファイル、アイテム情報のファイル、またはその両方を追加してください。',
  'The file "{part}" has no column "{column}". Its columns are {names}.':
    'ファイルに列「{1}」がありません。ファイルの列: {2}',
  'The meaning of some columns is not certain. Send `mapping` with the role of each column.':
    '意味を判定できない列があります。各列の役割を選択してください。',
  'The mapping cannot be read: {error}.': '列の割り当てを読み取れません: {0}',
  'The file "{part}" has several columns named "{column}". Rename or remove all but the one that is meant.':
    'ファイル「{0}」に列 "{1}" が複数あります。使用する列だけを残してください。',
  'Several columns of the file "{part}" have the role "{role}": {names}. Choose one.':
    'ファイル「{0}」の複数の列に役割「{1}」が割り当てられています（{2}）。1 つだけ選択してください。',
  'No column of the file "{part}" has the role "{role}". Choose one.':
    'ファイル「{0}」に役割「{1}」の列がありません。1 つ選択してください。',
  'its name, and each row has its own value': '列名と、値が行ごとに異なることから',
  'its name, though some values come back': '列名から（ただし、重複する値があります）',
  'its values may be ids, but its name says nothing': 'ID の可能性がありますが、列名からは判断できません',
  'The files write some {of} ids differently: "{our}" in the interactions is "{other}" in the {of}s file. Write them alike.':
    '同じ ID の書き方がファイルによって異なります（行動履歴では "{1}"、もう一方では "{2}"）。書き方をそろえてください。',
  'All {rows} interactions are of one user. Send those of more users, or check which column has the user ids.':
    '{0} 件の行動がすべて 1 人のユーザーのものです。ほかのユーザーの行動も送信するか、ユーザー ID の列を確認してください。',
  'The best model found is no better than the list of the most popular items.':
    '見つかった最良のモデルは、人気順のリストを上回っていません。',
  'No row of the file can be read. The first problem is at {problem}.':
    '読み取れる行がありません。最初の問題: {0}',
  'The interactions of this run have been deleted.': 'この実行の行動履歴は削除されました。',
  'The item file of this run has been deleted.': 'この実行のアイテム情報のファイルは削除されました。',
  'The user of this run has been deleted.': 'この実行を開始したユーザーは削除されました。',
  'This run has neither interactions nor items.': 'この実行には、行動履歴もアイテム情報もありません。',
  'The {what} of this run has been deleted.': 'この実行に必要なデータまたはモデルが削除されました。',
  'The items cannot be encoded: {error}.': 'アイテムを特徴量に変換できませんでした: {0}',
  'The item metadata cannot be read: {0}.': 'アイテム情報を読み取れませんでした: {0}',
  'The run stopped unexpectedly: {0}': '実行が予期せず停止しました: {0}',
  'Column "{column}" of the file "{part}" cannot have the role "{}". Choose among {roles}.':
    'ファイル「{1}」の列「{0}」に役割「{2}」は割り当てられません。次から選択してください: {3}',
  'Send at least one of the files interactions, items and users.': 'ファイルを 1 つ以上追加してください。',
  '{lack} Items are compared by what they have in common instead.':
    '{0}代わりに、属性の近いアイテムを推薦します。',
  'No column of the item file says what items have in common, and there are no interactions. Send items with more columns, such as a category or a description, or a file with what users did.':
    'アイテム情報に、アイテムの共通点がわかる列がなく、行動履歴もありません。カテゴリや説明などの列を追加するか、行動履歴のファイルも追加してください。',
  'No trial of the search found what was held out, so {quickest} is trained with its usual parameters, and its quality is not known. Send more interactions, or allow a larger budget than {} seconds.':
    'どの試行でも、評価用に取り分けた行動を推薦できなかったため、{0} を標準のパラメーターで学習しました。精度は測定されていません。行動履歴を増やすか、チューニングの時間（{1} 秒）を延ばしてください。',
  'The best model found, {}, is far worse than the list of the most popular items, which is used instead. Allow a larger budget, so that trials may take longer.':
    '見つかった最良のモデル（{0}）の精度が人気順のリストを大きく下回ったため、人気順のリストを使用します。チューニングの時間を延ばして、もう一度お試しください。',
  '{rejected} of {total} rows of the file "{file}" could not be imported.{why}':
    'ファイル「{2}」の {1} 行中 {0} 行を取り込めませんでした。{3}',
  ' The first is at line {}: {reason}.': '最初は {0} 行目です: {1}',
}
